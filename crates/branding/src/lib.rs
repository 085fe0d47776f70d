//! The look of an operator: product name, logo, colours, texts and templates, in one folder that both services read.
//!
//! | module | its question |
//! |---|---|
//! | `folder` | which files may the folder contain, and how large are they? |
//! | `brand` | what does `brand.toml` say? |
//! | `colour` | which colours does a reader see, and is their contrast sufficient? |
//! | `logo` | which picture is the logo? |
//! | `html_structure` | does a value change the elements of a document? |
//! | `export` | which built-in files are a starting point? |
//!
//! No I/O except that [`Branding::read`] reads the folder, and [`BuiltInFiles::export`] writes one. What has been read is
//! checked, except for what only a service knows: its texts ([`i18n::Catalogues::load`]), its templates
//! ([`i18n::Templates::new`]) and its own colours ([`Brand::palettes`]).

mod brand;
mod colour;
mod config;
mod export;
mod folder;
mod html_structure;
mod logo;

pub use brand::{Brand, Link, Support};
pub use colour::{Colour, Colours, MIN_CONTRAST, Palette, Palettes};
pub use config::BrandingConfig;
pub use export::{BrandingCommand, BuiltInFiles, ExportError, Exported};
pub use folder::Branding;
pub use html_structure::html_structure;
pub use logo::{ImageKind, Logo};
