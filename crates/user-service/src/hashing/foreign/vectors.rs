//! Test vectors that the other systems made themselves, with low costs.

/// The password of [`VECTORS`].
pub(super) const PASSWORD: &str = "correct horse";

/// Hashes in the format of the other system, and the beginning of their stored format.
pub(super) const VECTORS: &[(&str, &str)] = &[
    // passlib 1.7.4, Django and argon2-cffi; verified by passlib 1.7.4, Django 5.2.19, bcrypt 5.0.0 and argon2-cffi
    // 25.1.0. The hash of Firebase was verified with Python's hashlib and cryptography 50.0.2, by Firebase's description.
    ("$2b$04$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y", "$2b$04$ks"),
    ("$2a$04$Z2bbUoBftxNnjLfumaeRvOvbGDwl2/NwQcV1pvpHGx0UyIeILWACu", "$2a$04$Z2"),
    ("$2y$04$/Ux7RSSoJLxEEOX1pDsaW.CDOGAybZHUQB5mxm77jm4gxb7nPChWq", "$2y$04$/U"),
    ("{bcrypt}$2a$04$Z2bbUoBftxNnjLfumaeRvOvbGDwl2/NwQcV1pvpHGx0UyIeILWACu", "$2a$04$Z2"),
    ("bcrypt$$2b$04$ZN9S8bfjiFJ.fdMNJ3Ry9.15CvyhEm26W7PE3zn4CCAPB8vNX9jxC", "$2b$04$ZN"),
    ("bcrypt_sha256$$2b$04$E4Etm1aCgHzkkIWY42CSC.VJgqBouma8mDIBxIg1lh1VUAc1q/JKW", "$bcrypt-sha256-hex$2b$04$E4"),
    ("$pbkdf2$100$ao3x3vs/ZwwBgBCi1FoLIQ$yoH2nl6cKVes9mI6XoJnXm/KbqE", "$pbkdf2-sha1$i=100,l=20$"),
    (
        "$pbkdf2-sha256$100$WEvJmZNy7h2jlDJGiBFizA$3tlw7LXnlnlUam.Gxip1jQ7aBkSQnjpW.Sf/TrAqwMQ",
        "$pbkdf2-sha256$i=100,l=32$",
    ),
    (
        "$pbkdf2-sha512$100$yzkHoJSyNiaEsPYeI.Q85w$XHYQzqSsWyGUnkgS.XXY4cCnzAZTWUZdO6CDAwKg5TX1rnAPPz7Bru0gkHiqJHMxMzf6Tg6orJ.LVARcDiKTNA",
        "$pbkdf2-sha512$i=100,l=64$",
    ),
    (
        "pbkdf2_sha256$100$seasalt2seasalt2seasal$fCMvPN7+LsUOuZXWp1jwQdFkBeiJKX96mOKVC1lypZo=",
        "$pbkdf2-sha256$i=100,l=32$c2Vhc2Fsd",
    ),
    ("pbkdf2_sha1$100$seasalt2seasalt2seasal$gw9jACEoNRBd5VG9TDZydUDlGd8=", "$pbkdf2-sha1$i=100,l=20$c2Vhc2Fsd"),
    (
        "$scrypt$ln=4,r=8,p=2$zHlPiXGOUUqJEQLgnBOCEA$cSm2SZbLjK9uJ5mJNvKUbxcJpKPoTuzNRG8ectwpGM8",
        "$scrypt$ln=4,r=8,p=2$",
    ),
    (
        "scrypt$16$seasalt2$8$1$g6boA7xf7bEmdFgBE8gH9MRthb3+mhfXNDiLf9hYhImBXVRXpspbDubt+pWT/PiclzwrfYljvLUNCEN5AXGjqA==",
        "$scrypt$ln=4,r=8,p=1$c2Vhc2Fsd",
    ),
    (
        "$fbscrypt$v=1,n=4,r=8,p=1,ss=Bw==,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==$c2FsdHNhbHQ=$kSRbTSB3GDOR5ZgEvFSwS7oibMwypHmHyKkRQH1lZGFMLHwAGCz6NwaeMaNxtGmUT2pSLCagy7U1zIbF/RhIrQ==",
        "$fbscrypt$v=1,n=4,r=8,p=1,ss=Bw,sk=AAEC",
    ),
    ("{SSHA}uoCwdEtzQWDQfobFDeQHar5+ibkE4DyH", "$salted-sha1$salt=after$"),
    ("{SSHA256}mI/1NRH9cvi8BYnP2V5oB9tuNLTPyyUelyV3u6VCfkMbA6D0/h9DyA==", "$salted-sha256$salt=after$"),
    (
        "{SSHA512}uJE3AVsfKacXEZdOquwRhobKDBxKOTOHxRgnVJFH7buqR9QqpcUm/3U4mvUziJhKgRuQdCdf7ygbjPvc6Esxjr73HqPUei9F",
        "$salted-sha512$salt=after$",
    ),
    ("sha1$seasalt2$e824926f4299e407ff642a1c09651c3ef477b993", "$salted-sha1$salt=before$c2Vhc2FsdDI$"),
    (
        "$argon2i$v=19$m=64,t=2,p=2$xUkLlnt/wWdUWiTLQupqNw$fKWo52AvQjVaYiGmMiYS+pDSqkkgfF80KdVBp2onbDs",
        "$argon2i$v=19$m=64",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=2$8RE6odZMB4ZPKD6OsEGTiw$AxPxYEOPto9ZfnbFRq9onxXqaRC0AIhuA+jfEfI2Xho",
        "$argon2id$v=19$m=64",
    ),
    (
        "argon2$argon2id$v=19$m=64,t=2,p=1$c2Vhc2FsdDJzZWFzYWx0Mg$GVWZ51ImvqhfSxNNk6/lMB/aRw3dRWQerTsPy3YuxSc",
        "$argon2id$v=19$m=64",
    ),
    // Werkzeug 3.1.9: `generate_password_hash`.
    (
        "scrypt:256:8:1$Gex4KVgt2cgi7OEt$98fd559537fe8a8c1a1f8c5d79a8d38f5e7c80e89a0d3a6f11fe5ed083f8ba4899ac338ccc18beb07eefc99857787e317831780e166f924f4a77502ba4a0dae4",
        "$scrypt$ln=8,r=8,p=1$R2V4NEtWZ3QyY2dpN09FdA$",
    ),
    (
        "pbkdf2:sha256:100$6U15QsBBCTgG3qhw$0beae2abfd929f4306a6e502210320d6a2537d6c3541140e2ad5f6effc0f9f52",
        "$pbkdf2-sha256$i=100,l=32$NlUxNVFzQkJDVGdHM3Fodw$",
    ),
    ("pbkdf2:sha1:100$Fe9JG2oZsPoK0iB0$80548c5442cfdb3c26eecb006c9a0bf101edc065", "$pbkdf2-sha1$i=100,l=20$"),
    (
        "pbkdf2:sha512:100$h8sCuzDE6CDrNgoQ$0d5786ed6347e07908263ee9a8155507eed636e56336c7cb993ea8d71c0dc310bb36f21660d9112187f2a049462c0ba0629e72379dcd3a413636642dece64bee",
        "$pbkdf2-sha512$i=100,l=64$",
    ),
    // WordPress 6.1.9: `PasswordHash(8, true)` of class-phpass.php, with PHP 8.2.36. The second is of passlib 1.7.4.
    ("$P$B2mUwi.U.rMLHNaTk6rErfy8ghCqJ61", "$P$B2mUwi.U."),
    ("$P$6hDd9fy5ThPVTmS3dNUF/bDtPHsvRu/", "$P$6hDd9fy5T"),
    // WordPress 6.8: `wp_hash_password` of pluggable.php, with PHP 8.2.36.
    ("$wp$2y$04$loXwW8wRWddyfppjpL0IPu1LzJv7PNU0V9nuEpI.4jPU4k16kjoTu", "$wp$2y$04$lo"),
    // phpBB 3: phpass with the other name, of passlib 1.7.4.
    ("$H$6uGTQ/Bt/1kHJvWUp1e421UfzdhZnF1", "$H$6uGTQ/Bt/"),
    // Drupal 11: `PhpassHashedPasswordBase::crypt`, with PHP 8.2.36; verified by npm's drupal-hash 1.0.4. The cost of
    // the second is Drupal's default.
    ("$S$5fztZPZi4CNVnWHFTpBrY7OEBRAXhSWbrDYklbIPPxJMQf.EKyrw", "$S$5fztZPZi4"),
    ("$S$DARUIRt5K7.YIPul7WCYTh6CZejzT8FavYVezja86HPmYVqJevwu", "$S$DARUIRt5K"),
    // Nextcloud: `Hasher::hash`, which is `password_hash` of PHP 8.2.36 after the number of the algorithm.
    (
        "3|$argon2id$v=19$m=64,t=2,p=1$VFJQYm5lREZSOG1vcUI0aQ$s+QaItUoZFvxoAL2y+xccdtnseMt8l94B38r5uzg2pI",
        "$argon2id$v=19$m=64,t=2,p=1$VFJQ",
    ),
    (
        "2|$argon2i$v=19$m=64,t=2,p=1$dW5VS3RzazEwS2Q5WUtUdg$X63nXxywfPWNPvbS+B4KFlKAluFvkAn7rAhNv0C8XSA",
        "$argon2i$v=19$m=64,t=2,p=1$dW5V",
    ),
    ("1|$2y$04$99Al6sHWFEmpeUWsyBAIYOcxoh.AYqUj4XIAsCGFuVu1fwClxp.YK", "$2y$04$99"),
    // Devise 4.8.1: `Devise::Encryptor.digest` with bcrypt-ruby 3.1.18 and DEVISE_PEPPER.
    ("{devise}$2a$04$dtMxrcSo/vkpYs.DQ/3XNOr3P/nDEcv0mpPBUrrg4EBcoOVFHIwae", "$devise$2a$04$dt"),
];

/// The pepper of the hash of Devise.
pub(super) const DEVISE_PEPPER: &str = "pepper of the site";

/// ASP.NET Core Identity: the hashes that its own tests verify (`PasswordHasherTest.cs`), checked with Python's hashlib.
pub(super) const ASP_NET_PASSWORD: &str = "my password";
pub(super) const ASP_NET_VECTORS: &[(&str, &str)] = &[
    // Version 2.
    ("ANXrDknc7fGPpigibZXXZFMX4aoqz44JveK6jQuwY3eH/UyPhvr5xTPeGYEckLxz9A==", "$pbkdf2-sha1$i=1000,l=32$"),
    ("AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==", "$pbkdf2-sha1$i=1000,l=32$AAEC"),
    // Version 3.
    ("AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw", "$pbkdf2-sha512$i=50,l=16$"),
    (
        "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==",
        "$pbkdf2-sha512$i=250,l=64$",
    ),
    ("AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M", "$pbkdf2-sha1$i=250,l=16$"),
    (
        "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc3oQZ8efcW+jQ=",
        "$pbkdf2-sha256$i=250000,l=32$",
    ),
    (
        "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
        "$pbkdf2-sha256$i=10000,l=32$AAEC",
    ),
];

/// A password with letters that have two normal forms, and its hashes in each form: of Werkzeug 3.1.9, argon2-cffi
/// 25.1.0 and bcrypt 5.0.0.
pub(super) const COMPOSED: &str = "Gr\u{FC}\u{DF}e aus K\u{F6}ln";
pub(super) const DECOMPOSED: &str = "Gru\u{308}\u{DF}e aus Ko\u{308}ln";
pub(super) const HASHES_OF_COMPOSED: &[&str] = &[
    "pbkdf2:sha256:100$cGGIrUjLKN2eDtyc$088fff411289835eaa37c511930d3ff07a6b461d3e1a90472f3b597ead48c1de",
    "$argon2id$v=19$m=32,t=1,p=1$roj7qThTDQIL1AMP9azMdg$IC546NcFNgrzqICeVcjkmTL+nij4I0j1FDIF9b+mPwU",
    "$2b$04$edRbAisAZY2qud20/.bbZ.Yd5cz0.sNK1ZodGnjwzvh.PcIbDTxLm",
];
pub(super) const HASHES_OF_DECOMPOSED: &[&str] = &[
    "pbkdf2:sha256:100$ofppa9bC6HKmvehz$0e72d087d10fd96733400c50bdbb46f2208e6c7b59b00b390662fc43dfcb68cc",
    "$argon2id$v=19$m=32,t=1,p=1$JnmxCX7hIrUcdbGh3mGgbg$TR+LWhGC5O7eKVWXKnJEPUAMqvsV+uRIlPgtr21n1Fg",
    "$2b$04$hNE7aJUw5BTHhTSaGtIXAOeksW7CskvIP/uFJFoCacIc1Xyh8aSMu",
];
