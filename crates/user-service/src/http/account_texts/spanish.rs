//! The pages in Spanish: *usted*.

use super::Texts;

pub(super) const TEXTS: Texts = Texts {
    verify_title: "Confirme su dirección de correo electrónico",
    verify_text: "Pulse el botón para confirmar que esta dirección de correo electrónico es suya.",
    verify_button: "Confirmar la dirección",
    verified_title: "Su dirección de correo electrónico está confirmada",
    verified_text: "Gracias. Ya puede cerrar esta página.",

    reset_title: "Elija una contraseña nueva",
    reset_text: "Se cerrará la sesión en todos los dispositivos y después podrá iniciar sesión con la contraseña nueva.",
    reset_label: "Contraseña nueva",
    reset_hint: "Al menos {min} caracteres. Varias palabras se recuerdan mejor que los signos.",
    reset_button: "Guardar la contraseña",
    reset_done_title: "Se ha cambiado su contraseña",
    reset_done_text: "Ya puede iniciar sesión con ella. Puede cerrar esta página.",
    password_refused: "Elija otra contraseña.",
    password_reasons: &[
        ("too-short", "Debe tener al menos {min} caracteres."),
        ("too-long", "Es demasiado larga: como máximo, 256 caracteres."),
        ("common", "Esta es de las primeras que alguien probaría: use varias palabras o caracteres al azar."),
        ("contains-own-words", "Esta es poco más que su nombre, su dirección o el nombre de este servicio."),
        ("breached", "Esta figura en una lista de contraseñas que se han hecho públicas."),
        ("strength-unknown", "No se ha podido estimar la seguridad de esta: use varias palabras."),
    ],

    change_title: "Confirme su nueva dirección de correo electrónico",
    change_text: "Pulse el botón para usar a partir de ahora esta dirección de correo electrónico en su cuenta.",
    change_button: "Usar esta dirección",
    changed_title: "Su nueva dirección de correo electrónico está confirmada",
    changed_text: "A partir de ahora, inicie sesión con ella. Hemos avisado a su dirección anterior. Puede cerrar esta página.",
    taken_title: "Esta dirección de correo electrónico ya está en uso",
    taken_text: "Entretanto, otra cuenta utiliza esta dirección, por lo que la suya conserva la que tiene.",

    undo_title: "Recupere su dirección de correo electrónico",
    undo_text: "Pulse el botón si no quería cambiar su dirección de correo electrónico. Su cuenta recuperará esta dirección, se cerrará la sesión en todos los dispositivos y le enviaremos un enlace para elegir una contraseña nueva.",
    undo_button: "Deshacer el cambio",
    undone_title: "Ha recuperado su dirección de correo electrónico",
    undone_text: "Se ha cerrado la sesión en todos los dispositivos. Utilice ahora el enlace del correo que acabamos de enviarle y elija una contraseña nueva: quien cambió la dirección quizá conozca la actual.",

    refused_title: "Este enlace ya no funciona",
    refused_text: "Ya se ha utilizado, ha caducado o está incompleto. Si todavía lo necesita, solicite uno nuevo.",
    unavailable_title: "Inténtelo de nuevo dentro de un momento",
    throttled_text: "Han llegado demasiadas solicitudes desde su red. El enlace de su correo sigue siendo válido.",
    unavailable_text: "Algo que necesitamos no está disponible ahora mismo. El enlace de su correo sigue siendo válido.",
};
