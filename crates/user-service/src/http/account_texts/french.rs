//! The pages in French: *vous*, and the no-break spaces before `:` (U+00A0) and `; ! ?` (U+202F).

use super::Texts;

pub(super) const TEXTS: Texts = Texts {
    verify_title: "Confirmez votre adresse e-mail",
    verify_text: "Appuyez sur le bouton pour confirmer que cette adresse e-mail est la vôtre.",
    verify_button: "Confirmer l’adresse",
    verified_title: "Votre adresse e-mail est confirmée",
    verified_text: "Merci. Vous pouvez fermer cette page.",

    reset_title: "Choisissez un nouveau mot de passe",
    reset_text: "Tous vos appareils seront déconnectés ; vous pourrez ensuite vous connecter avec le nouveau mot de passe.",
    reset_label: "Nouveau mot de passe",
    reset_hint: "Au moins {min} caractères. Plusieurs mots se retiennent plus facilement que des signes.",
    reset_button: "Enregistrer le mot de passe",
    reset_done_title: "Votre mot de passe est modifié",
    reset_done_text: "Vous pouvez maintenant vous connecter avec celui-ci. Vous pouvez fermer cette page.",
    password_refused: "Veuillez choisir un autre mot de passe.",
    password_reasons: &[
        ("too-short", "Il doit compter au moins {min} caractères."),
        ("too-long", "Il est trop long : 256 caractères au plus."),
        (
            "common",
            "Celui-ci est parmi les premiers que quelqu’un essaierait : prenez plusieurs mots ou des caractères au hasard.",
        ),
        ("contains-own-words", "Celui-ci n’est guère plus que votre nom, votre adresse ou le nom de ce service."),
        ("breached", "Celui-ci figure sur une liste de mots de passe dévoilés."),
        ("strength-unknown", "La solidité de celui-ci n’a pas pu être estimée : prenez plusieurs mots."),
    ],

    change_title: "Confirmez votre nouvelle adresse e-mail",
    change_text: "Appuyez sur le bouton pour utiliser désormais cette adresse e-mail pour votre compte.",
    change_button: "Utiliser cette adresse",
    changed_title: "Votre nouvelle adresse e-mail est confirmée",
    changed_text: "Désormais, c’est avec elle que vous vous connectez. Nous avons prévenu votre ancienne adresse. Vous pouvez fermer cette page.",
    taken_title: "Cette adresse e-mail est déjà prise",
    taken_text: "Un autre compte utilise entre-temps cette adresse ; le vôtre garde donc la sienne.",

    undo_title: "Récupérez votre adresse e-mail",
    undo_text: "Appuyez sur le bouton si vous n’avez pas voulu changer d’adresse e-mail. Votre compte retrouvera cette adresse, tous les appareils seront déconnectés, et nous vous enverrons un lien pour choisir un nouveau mot de passe.",
    undo_button: "Annuler le changement",
    undone_title: "Votre adresse e-mail est rétablie",
    undone_text: "Tous les appareils sont déconnectés. Utilisez maintenant le lien de l’e-mail que nous venons de vous envoyer et choisissez un nouveau mot de passe : la personne qui a changé l’adresse connaît peut-être le mot de passe actuel.",

    refused_title: "Ce lien ne fonctionne plus",
    refused_text: "Il a déjà servi, il a expiré ou il est incomplet. Si vous en avez encore besoin, demandez-en un nouveau.",
    unavailable_title: "Veuillez réessayer dans un instant",
    throttled_text: "Trop de demandes sont venues de votre réseau. Le lien de votre e-mail reste valable.",
    unavailable_text: "Un élément dont nous avons besoin n’est pas disponible pour le moment. Le lien de votre e-mail reste valable.",
};
