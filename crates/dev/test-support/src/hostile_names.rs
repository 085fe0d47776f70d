//! Display names that an attacker may try.

/// Names with line breaks, header and HTML syntax, template syntax, control characters and links.
pub const HOSTILE_NAMES: [&str; 12] = [
    "Ada\r\nBcc: eve@evil.example\r\n\r\nHello",
    "Ada\nSubject: You won",
    "\" <eve@evil.example>, \"Ada",
    "Ada <eve@evil.example>",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "</p></td></table><a href=\"https://evil.example\">Click</a>",
    "{{ mail.link.url }} {% raw %} {product} {link_expires_at}",
    "\u{202E}moc.live\u{202C} \u{2066}Ada\u{200F}",
    "👩‍👩‍👧‍👦🏳️‍🌈 Zoë \u{0301}\u{0301}\u{0301}",
    "=?utf-8?q?=0D=0ABcc:_eve@evil.example?=",
    "\0\u{7}\u{1b}[31m\u{85}\u{2028}\u{2029}",
    "Congratulations! Visit www.evil.example or https://evil.example/?a=b&c=d now",
];
