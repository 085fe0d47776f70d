// Generated from docs/asyncapi.yaml by scripts/contract.

export interface components {
    schemas: {
        /** @description The actor who deleted an account. */
        DeletedBy: "self" | "admin";
        /** @description The headers of an event. */
        EventHeaders: {
            /** @description The `$id` of the value's JSON Schema. */
            ce_dataschema: string;
            /**
             * Format: uuid
             * @description The id of the event, a UUIDv7. A duplicate has the same id.
             */
            ce_id: string;
            /** @description The position among the user's events: ten digits, padded with zeros, so that it sorts as text. Gaps are normal. Skip an event whose position is not greater than the last one of its user. */
            ce_sequence: string;
            /**
             * @description The publisher.
             * @constant
             */
            ce_source: "/user-service";
            /**
             * @description The version of CloudEvents.
             * @constant
             */
            ce_specversion: "1.0";
            ce_subject: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description The time of the change (RFC 3339, UTC).
             */
            ce_time: string;
            /** @description The type of the record, with its version. */
            ce_type: string;
            /**
             * @description The media type of the value.
             * @constant
             */
            "content-type": "application/json";
            /** @description The W3C Trace Context of the request that caused the event; absent if there is none. */
            traceparent?: string;
        };
        /** @description A proof of identity in a login. */
        LoginMethod: "password" | "totp" | "recovery-code";
        /** @description The reason of a password change. */
        PasswordChangeReason: "change" | "reset";
        /** @description The recipient of a mail, with the data at the time of the event. */
        Recipient: {
            /** @description The name for the salutation; absent if none is set. */
            displayName?: string | null;
            /** @description The email address as the user wrote it. */
            email: string;
            /** @description The preferred language, a BCP 47 tag; absent if none is set. */
            locale?: string | null;
        };
        /** @description The actor who changed the roles of a user. */
        RolesChangedBy: "admin" | "operator";
        /** @description A token that only the holder of the private key can read. */
        SealedToken: {
            /** @description The sealed box, in base64url without padding. Opened with `crypto_box_seal_open`, it is JSON with the members `token`, `to`, `purpose` and `eventId`. */
            box: string;
            /** @description The id of the key that the token is sealed to: the first 16 hex digits of the SHA-256 of the public key's 32 bytes. */
            kid: string;
        };
        /** @description The reason why sessions ended. */
        SessionsEndedReason: "user" | "admin" | "email-change-undone" | "reuse";
        /** @description The headers of a state. */
        StateHeaders: {
            /** @description The `$id` of the value's JSON Schema. */
            ce_dataschema: string;
            /** @description The user and the version. A duplicate has the same id. */
            ce_id: string;
            /** @description The version of the account: ten digits, padded with zeros, so that it sorts as text. Gaps are normal. Ignore a version that is lower than the last one of its user. */
            ce_sequence: string;
            /**
             * @description The publisher.
             * @constant
             */
            ce_source: "/user-service";
            /**
             * @description The version of CloudEvents.
             * @constant
             */
            ce_specversion: "1.0";
            ce_subject: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description The time of the change (RFC 3339, UTC).
             */
            ce_time: string;
            /** @description The type of the record, with its version. */
            ce_type: string;
            /**
             * @description The media type of the value.
             * @constant
             */
            "content-type": "application/json";
        };
        /** @description The actor who disabled or enabled an account. */
        StatusChangedBy: "admin";
        /** @description A one-time token for the recipient of a mail. Only the email service can read it. */
        TokenGrant: {
            /**
             * Format: date-time
             * @description The time when the token expires (RFC 3339). A mail that cannot be delivered before then is not sent.
             */
            expiresAt: string;
            /** @description The sealed token. */
            sealed: components["schemas"]["SealedToken"];
        };
        /** @description The headers of a tombstone. */
        TombstoneHeaders: {
            /** @description The user and the version. A duplicate has the same id. */
            ce_id: string;
            /** @description The version of the account: ten digits, padded with zeros, so that it sorts as text. Gaps are normal. Ignore a version that is lower than the last one of its user. */
            ce_sequence: string;
            /**
             * @description The publisher.
             * @constant
             */
            ce_source: "/user-service";
            /**
             * @description The version of CloudEvents.
             * @constant
             */
            ce_specversion: "1.0";
            ce_subject: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description The time of the change (RFC 3339, UTC).
             */
            ce_time: string;
            /** @description The type of the record, with its version. */
            ce_type: string;
        };
        /** @description The actor who turned off TOTP, if it was not the user. */
        TotpDisabledBy: "admin" | "operator" | "mailbox";
        /** @description The change that an undo link reverted. */
        UndoneChange: "password" | "totp" | "recovery-codes" | "sign-in";
        /**
         * UserChangeUndone
         * @description The owner of the mailbox undid a change, or disowned a sign-in, with the link in its notice. All sessions have ended. Causes a notice. If a change of the email address was undone, the event is `user.email_change_undone.v1` instead.
         */
        UserChangeUndone: {
            /** @description The change that was undone. */
            change: components["schemas"]["UndoneChange"];
            /** @description The recipient of the notice. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserDeleted
         * @description The account was deleted, and its email address and username are available again. This is the last event of the user. Causes the goodbye mail.
         */
        UserDeleted: {
            /** @description The actor who deleted the account. */
            by: components["schemas"]["DeletedBy"];
            /** @description The recipient of the goodbye mail: the last email address. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserDisabled
         * @description The account was disabled: it refuses logins, and all its sessions have ended.
         */
        UserDisabled: {
            /** @description The actor who disabled the account. */
            by: components["schemas"]["StatusChangedBy"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserDisowned
         * @description The owner of the mailbox reported, with the verification link, that the account is not theirs. Its password is unusable, its second factors are removed, and its sessions have ended. The account stays unverified.
         */
        UserDisowned: {
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserEmailChangeRequested
         * @description A change of the email address was requested and has to be confirmed. Causes two mails: the confirmation link to `newEmail`, and a notice to the recipient.
         */
        UserEmailChangeRequested: {
            /** @description The token that confirms the change; sealed to `newEmail`. */
            confirmation: components["schemas"]["TokenGrant"];
            /** @description The new email address, which gets the confirmation link. */
            newEmail: string;
            /** @description The current email address, which gets the notice. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
            /** @description The username of the account, which the confirmation mail mentions. Absent in events of earlier releases. */
            username?: string | null;
        };
        /**
         * UserEmailChangeUndone
         * @description A change of the email address was undone: the account has the old address again. Causes a notice.
         */
        UserEmailChangeUndone: {
            /** @description The email address that the account has again. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserEmailChanged
         * @description The email address changed. Causes a notice with the undo link to the old address.
         */
        UserEmailChanged: {
            /** @description The new email address. */
            newEmail: string;
            /** @description The old email address. */
            oldEmail: string;
            /** @description The old email address, which gets the notice. */
            recipient: components["schemas"]["Recipient"];
            /** @description The token that undoes the change; sealed to `oldEmail`. */
            undo: components["schemas"]["TokenGrant"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserEmailVerificationRequested
         * @description The verification link was requested again. Causes the verification mail.
         */
        UserEmailVerificationRequested: {
            /** @description The recipient of the link. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
            /** @description The token that verifies the email address; sealed to that address. */
            verification: components["schemas"]["TokenGrant"];
        };
        /**
         * UserEmailVerified
         * @description The user proved that the email address is theirs.
         */
        UserEmailVerified: {
            /** @description The verified email address. */
            email: string;
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserEnabled
         * @description The account was enabled: it accepts logins again.
         */
        UserEnabled: {
            /** @description The actor who enabled the account. */
            by: components["schemas"]["StatusChangedBy"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * Format: uuid
         * @description The id of a user, hyphenated and in lower case.
         */
        UserId: string;
        /**
         * UserImported
         * @description An account was imported from another system.
         */
        UserImported: {
            /** @description The recipient of the welcome mail, if `welcome` is true. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
            /** @description The username. */
            username: string;
            /** @description Whether the user gets a welcome mail. */
            welcome: boolean;
        };
        /**
         * UserInvitationAccepted
         * @description The invited person chose a password: from now on the user can sign in. An event `user.email_verified.v1` precedes it, because the link proves the address. It has no mail, and there is no `user.password_changed.v1`, because the account had no password before.
         */
        UserInvitationAccepted: {
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
            /** @description The username from now on. */
            username: string;
        };
        /**
         * UserInvited
         * @description An administrator invited a person, or sent the invitation again, which makes the earlier link void. The account exists, and no password can sign in to it before the invitation is accepted. Causes the mail with the link.
         */
        UserInvited: {
            /** @description The token that accepts the invitation; sealed to the recipient's address. */
            invitation: components["schemas"]["TokenGrant"];
            /** @description The display name of the administrator, as it was written; absent if there is none, or if a program invited the person. */
            inviter?: string | null;
            /** @description The invited person. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
            /** @description The username that was chosen for the user; absent if the user will choose it. */
            username?: string | null;
        };
        /**
         * UserLocked
         * @description After too many failed logins the account refuses logins for a time. Causes a notice.
         */
        UserLocked: {
            /** @description The recipient of the notice. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: date-time
             * @description The time when logins are accepted again (RFC 3339).
             */
            until: string;
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserLoggedIn
         * @description A session began.
         */
        UserLoggedIn: {
            /** @description The proofs that the user gave, in that order. */
            methods: components["schemas"]["LoginMethod"][];
            /**
             * Format: uuid
             * @description The new session.
             */
            sessionId: string;
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserNewSignIn
         * @description A session is about to begin from a place, a device and a network, that the account was not signed in from in the last 30 days. Precedes `user.logged_in.v1` of the same session. Causes a notice, with a link that ends all sessions if `undo` is present.
         */
        UserNewSignIn: {
            /** @description The browser and the system, guessed from the user agent, such as "Firefox on Linux"; absent if they are unknown. */
            device?: string | null;
            /** @description The network of the client in CIDR notation: an IPv4 /24 or an IPv6 /56; absent if it is unknown. */
            network?: string | null;
            /** @description The recipient of the notice. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uuid
             * @description The new session.
             */
            sessionId: string;
            /** @description The token that ends all sessions, makes the password unusable and starts a reset; sealed to the recipient's address. Absent if the account has the maximum number of such links. */
            undo?: components["schemas"]["TokenGrant"] | null;
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserPasswordChanged
         * @description The password changed. Causes a notice, with an undo link if `undo` is present.
         */
        UserPasswordChanged: {
            /** @description The reason of the change. */
            reason: components["schemas"]["PasswordChangeReason"];
            /** @description The recipient of the notice. */
            recipient: components["schemas"]["Recipient"];
            /** @description The token that makes the new password unusable and starts a reset; sealed to the recipient's address. Absent after a reset. */
            undo?: components["schemas"]["TokenGrant"] | null;
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserPasswordResetRequested
         * @description A password reset was requested. Causes the mail with the reset link.
         */
        UserPasswordResetRequested: {
            /** @description The recipient of the link. */
            recipient: components["schemas"]["Recipient"];
            /** @description The token that allows setting a new password; sealed to the recipient's address. */
            reset: components["schemas"]["TokenGrant"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserProfileUpdated
         * @description The user or an administrator changed the profile.
         */
        UserProfileUpdated: {
            /** @description The names of the changed members, such as `displayName`, without their values. The set is open: expect unknown names. */
            changed: string[];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserRecoveryCodeUsed
         * @description A recovery code was used instead of TOTP. Causes a notice.
         */
        UserRecoveryCodeUsed: {
            /** @description The recipient of the notice. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uint32
             * @description The number of remaining codes.
             */
            remaining: number;
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserRecoveryCodesRenewed
         * @description The user got a new set of recovery codes; all earlier codes are void. Causes a notice, with an undo link if `undo` is present.
         */
        UserRecoveryCodesRenewed: {
            /** @description The recipient of the notice. */
            recipient: components["schemas"]["Recipient"];
            /** @description The token that voids the new codes; sealed to the recipient's address. */
            undo?: components["schemas"]["TokenGrant"] | null;
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserRegistered
         * @description A user registered. Causes the welcome mail with the verification link.
         */
        UserRegistered: {
            /** @description The recipient of the welcome mail. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
            /** @description The username as the user wrote it. */
            username: string;
            /** @description The token that verifies the email address; sealed to that address. */
            verification: components["schemas"]["TokenGrant"];
        };
        /**
         * UserRegistrationAttempted
         * @description A client tried to register with the email address of this account, while the service hides which addresses have an account. Causes a mail to the owner with a reset link.
         */
        UserRegistrationAttempted: {
            /** @description The owner of the email address. */
            recipient: components["schemas"]["Recipient"];
            /** @description The token that allows setting a new password; sealed to the recipient's address. */
            reset: components["schemas"]["TokenGrant"];
            /**
             * Format: uuid
             * @description The user who has the email address, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserRolesChanged
         * @description The roles of the user changed.
         */
        UserRolesChanged: {
            /** @description The actor who changed the roles. */
            by: components["schemas"]["RolesChangedBy"];
            /** @description All roles of the user after the change. The set is open: expect unknown names. */
            roles: string[];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserSessionsEnded
         * @description Sessions ended without a logout. The events of a changed password, a disabled account and a deleted account imply the end of sessions; they are not accompanied by this event.
         */
        UserSessionsEnded: {
            /** @description The reason why they ended. */
            reason: components["schemas"]["SessionsEndedReason"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserState
         * @description A user as other services may see them. It has no secrets, and nothing that a login changes.
         */
        UserState: {
            /** @description The attributes that the operator's schema marks with `"x-public": true`; absent if there are none. */
            attributes?: {
                [key: string]: unknown;
            } | null;
            /**
             * Format: date-time
             * @description The time when the account was created (RFC 3339).
             */
            createdAt: string;
            /** @description The display name; absent if none is set. */
            displayName?: string | null;
            /** @description The email address as the user wrote it. */
            email: string;
            /** @description Whether the user has proved to own the email address. */
            emailVerified: boolean;
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            id: string;
            /** @description The preferred language, a BCP 47 tag; absent if none is set. */
            locale?: string | null;
            /** @description The roles. More roles may be added: ignore those that are unknown. */
            roles: string[];
            /** @description Whether the account may be used. */
            status: components["schemas"]["UserStatus"];
            /** @description The time zone, a name of the IANA database; absent if none is set. */
            timezone?: string | null;
            /**
             * Format: date-time
             * @description The time of the last change other than a login (RFC 3339).
             */
            updatedAt: string;
            /** @description The username as the user wrote it. */
            username: string;
            /**
             * Format: uint64
             * @description The version of the account, as in `ce_sequence`. A consumer ignores a lower version than the one that it has. Gaps are normal.
             */
            version: number;
        };
        /** @description Whether an account may be used. */
        UserStatus: "active" | "disabled";
        /**
         * UserTotpDisabled
         * @description TOTP was turned off. Causes a notice.
         */
        UserTotpDisabled: {
            /** @description The actor who turned off TOTP; absent if it was the user. */
            by?: components["schemas"]["TotpDisabledBy"] | null;
            /** @description The recipient of the notice. */
            recipient: components["schemas"]["Recipient"];
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserTotpEnabled
         * @description The user turned on TOTP. Causes a notice, with an undo link if `undo` is present.
         */
        UserTotpEnabled: {
            /** @description The recipient of the notice. */
            recipient: components["schemas"]["Recipient"];
            /** @description The token that turns TOTP off again; sealed to the recipient's address. Absent if the account had a second factor shortly before. */
            undo?: components["schemas"]["TokenGrant"] | null;
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /**
         * UserUnlocked
         * @description The account was unlocked before the lock expired.
         */
        UserUnlocked: {
            /**
             * Format: uuid
             * @description The user, as in `ce_subject` and the key.
             */
            userId: string;
        };
        /** @description The owner of the mailbox undid a change, or disowned a sign-in, with the link in its notice. All sessions have ended. Causes a notice. If a change of the email address was undone, the event is `user.email_change_undone.v1` instead. */
        UserChangeUndoneRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.change_undone.v1";
            /** @constant */
            ce_type: "user.change_undone.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserChangeUndone"];
        };
        /** @description The account was deleted, and its email address and username are available again. This is the last event of the user. Causes the goodbye mail. */
        UserDeletedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.deleted.v1";
            /** @constant */
            ce_type: "user.deleted.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserDeleted"];
        };
        /** @description The account was disabled: it refuses logins, and all its sessions have ended. */
        UserDisabledRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.disabled.v1";
            /** @constant */
            ce_type: "user.disabled.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserDisabled"];
        };
        /** @description The owner of the mailbox reported, with the verification link, that the account is not theirs. Its password is unusable, its second factors are removed, and its sessions have ended. The account stays unverified. */
        UserDisownedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.disowned.v1";
            /** @constant */
            ce_type: "user.disowned.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserDisowned"];
        };
        /** @description A change of the email address was requested and has to be confirmed. Causes two mails: the confirmation link to `newEmail`, and a notice to the recipient. */
        UserEmailChangeRequestedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.email_change_requested.v1";
            /** @constant */
            ce_type: "user.email_change_requested.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserEmailChangeRequested"];
        };
        /** @description A change of the email address was undone: the account has the old address again. Causes a notice. */
        UserEmailChangeUndoneRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.email_change_undone.v1";
            /** @constant */
            ce_type: "user.email_change_undone.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserEmailChangeUndone"];
        };
        /** @description The email address changed. Causes a notice with the undo link to the old address. */
        UserEmailChangedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.email_changed.v1";
            /** @constant */
            ce_type: "user.email_changed.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserEmailChanged"];
        };
        /** @description The verification link was requested again. Causes the verification mail. */
        UserEmailVerificationRequestedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.email_verification_requested.v1";
            /** @constant */
            ce_type: "user.email_verification_requested.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserEmailVerificationRequested"];
        };
        /** @description The user proved that the email address is theirs. */
        UserEmailVerifiedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.email_verified.v1";
            /** @constant */
            ce_type: "user.email_verified.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserEmailVerified"];
        };
        /** @description The account was enabled: it accepts logins again. */
        UserEnabledRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.enabled.v1";
            /** @constant */
            ce_type: "user.enabled.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserEnabled"];
        };
        /** @description An account was imported from another system. */
        UserImportedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.imported.v1";
            /** @constant */
            ce_type: "user.imported.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserImported"];
        };
        /** @description The invited person chose a password: from now on the user can sign in. An event `user.email_verified.v1` precedes it, because the link proves the address. It has no mail, and there is no `user.password_changed.v1`, because the account had no password before. */
        UserInvitationAcceptedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.invitation_accepted.v1";
            /** @constant */
            ce_type: "user.invitation_accepted.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserInvitationAccepted"];
        };
        /** @description An administrator invited a person, or sent the invitation again, which makes the earlier link void. The account exists, and no password can sign in to it before the invitation is accepted. Causes the mail with the link. */
        UserInvitedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.invited.v1";
            /** @constant */
            ce_type: "user.invited.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserInvited"];
        };
        /** @description After too many failed logins the account refuses logins for a time. Causes a notice. */
        UserLockedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.locked.v1";
            /** @constant */
            ce_type: "user.locked.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserLocked"];
        };
        /** @description A session began. */
        UserLoggedInRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.logged_in.v1";
            /** @constant */
            ce_type: "user.logged_in.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserLoggedIn"];
        };
        /** @description A session is about to begin from a place, a device and a network, that the account was not signed in from in the last 30 days. Precedes `user.logged_in.v1` of the same session. Causes a notice, with a link that ends all sessions if `undo` is present. */
        UserNewSignInRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.new_sign_in.v1";
            /** @constant */
            ce_type: "user.new_sign_in.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserNewSignIn"];
        };
        /** @description The password changed. Causes a notice, with an undo link if `undo` is present. */
        UserPasswordChangedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.password_changed.v1";
            /** @constant */
            ce_type: "user.password_changed.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserPasswordChanged"];
        };
        /** @description A password reset was requested. Causes the mail with the reset link. */
        UserPasswordResetRequestedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.password_reset_requested.v1";
            /** @constant */
            ce_type: "user.password_reset_requested.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserPasswordResetRequested"];
        };
        /** @description The user or an administrator changed the profile. */
        UserProfileUpdatedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.profile_updated.v1";
            /** @constant */
            ce_type: "user.profile_updated.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserProfileUpdated"];
        };
        /** @description A recovery code was used instead of TOTP. Causes a notice. */
        UserRecoveryCodeUsedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.recovery_code_used.v1";
            /** @constant */
            ce_type: "user.recovery_code_used.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserRecoveryCodeUsed"];
        };
        /** @description The user got a new set of recovery codes; all earlier codes are void. Causes a notice, with an undo link if `undo` is present. */
        UserRecoveryCodesRenewedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.recovery_codes_renewed.v1";
            /** @constant */
            ce_type: "user.recovery_codes_renewed.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserRecoveryCodesRenewed"];
        };
        /** @description A user registered. Causes the welcome mail with the verification link. */
        UserRegisteredRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.registered.v1";
            /** @constant */
            ce_type: "user.registered.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserRegistered"];
        };
        /** @description A client tried to register with the email address of this account, while the service hides which addresses have an account. Causes a mail to the owner with a reset link. */
        UserRegistrationAttemptedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.registration_attempted.v1";
            /** @constant */
            ce_type: "user.registration_attempted.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserRegistrationAttempted"];
        };
        /** @description The roles of the user changed. */
        UserRolesChangedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.roles_changed.v1";
            /** @constant */
            ce_type: "user.roles_changed.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserRolesChanged"];
        };
        /** @description Sessions ended without a logout. The events of a changed password, a disabled account and a deleted account imply the end of sessions; they are not accompanied by this event. */
        UserSessionsEndedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.sessions_ended.v1";
            /** @constant */
            ce_type: "user.sessions_ended.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserSessionsEnded"];
        };
        /** @description TOTP was turned off. Causes a notice. */
        UserTotpDisabledRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.totp_disabled.v1";
            /** @constant */
            ce_type: "user.totp_disabled.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserTotpDisabled"];
        };
        /** @description The user turned on TOTP. Causes a notice, with an undo link if `undo` is present. */
        UserTotpEnabledRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.totp_enabled.v1";
            /** @constant */
            ce_type: "user.totp_enabled.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserTotpEnabled"];
        };
        /** @description The account was unlocked before the lock expired. */
        UserUnlockedRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.unlocked.v1";
            /** @constant */
            ce_type: "user.unlocked.v1";
        } & WithRequired<components["schemas"]["EventHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserUnlocked"];
        };
        /** @description A record of the topic `user.events`. */
        EventRecord: components["schemas"]["UserChangeUndoneRecord"] | components["schemas"]["UserDeletedRecord"] | components["schemas"]["UserDisabledRecord"] | components["schemas"]["UserDisownedRecord"] | components["schemas"]["UserEmailChangeRequestedRecord"] | components["schemas"]["UserEmailChangeUndoneRecord"] | components["schemas"]["UserEmailChangedRecord"] | components["schemas"]["UserEmailVerificationRequestedRecord"] | components["schemas"]["UserEmailVerifiedRecord"] | components["schemas"]["UserEnabledRecord"] | components["schemas"]["UserImportedRecord"] | components["schemas"]["UserInvitationAcceptedRecord"] | components["schemas"]["UserInvitedRecord"] | components["schemas"]["UserLockedRecord"] | components["schemas"]["UserLoggedInRecord"] | components["schemas"]["UserNewSignInRecord"] | components["schemas"]["UserPasswordChangedRecord"] | components["schemas"]["UserPasswordResetRequestedRecord"] | components["schemas"]["UserProfileUpdatedRecord"] | components["schemas"]["UserRecoveryCodeUsedRecord"] | components["schemas"]["UserRecoveryCodesRenewedRecord"] | components["schemas"]["UserRegisteredRecord"] | components["schemas"]["UserRegistrationAttemptedRecord"] | components["schemas"]["UserRolesChangedRecord"] | components["schemas"]["UserSessionsEndedRecord"] | components["schemas"]["UserTotpDisabledRecord"] | components["schemas"]["UserTotpEnabledRecord"] | components["schemas"]["UserUnlockedRecord"];
        /** @description A user as other services may see them. It has no secrets, and nothing that a login changes. */
        UserStateRecord: ({
            /** @constant */
            ce_dataschema: "urn:user-service:events:user.state.v1";
            /** @constant */
            ce_type: "user.state.v1";
        } & WithRequired<components["schemas"]["StateHeaders"], "ce_type" | "ce_dataschema">) & {
            key: components["schemas"]["UserId"];
            value: components["schemas"]["UserState"];
        };
        /** @description The user is deleted. The record has a key and headers, and no value: not the JSON text `null`, but Kafka's null. AsyncAPI has no term for that, so the payload is the type `null` here, which is what Kafka clients return. */
        UserStateTombstoneRecord: ({
            /** @constant */
            ce_type: "user.state.v1";
        } & WithRequired<components["schemas"]["TombstoneHeaders"], "ce_type">) & {
            key: components["schemas"]["UserId"];
            value: null;
        };
        /** @description A record of the topic `user.state`. */
        StateRecord: components["schemas"]["UserStateRecord"] | components["schemas"]["UserStateTombstoneRecord"];
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type DeletedBy = components['schemas']['DeletedBy'];
export type EventHeaders = components['schemas']['EventHeaders'];
export type LoginMethod = components['schemas']['LoginMethod'];
export type PasswordChangeReason = components['schemas']['PasswordChangeReason'];
export type Recipient = components['schemas']['Recipient'];
export type RolesChangedBy = components['schemas']['RolesChangedBy'];
export type SealedToken = components['schemas']['SealedToken'];
export type SessionsEndedReason = components['schemas']['SessionsEndedReason'];
export type StateHeaders = components['schemas']['StateHeaders'];
export type StatusChangedBy = components['schemas']['StatusChangedBy'];
export type TokenGrant = components['schemas']['TokenGrant'];
export type TombstoneHeaders = components['schemas']['TombstoneHeaders'];
export type TotpDisabledBy = components['schemas']['TotpDisabledBy'];
export type UndoneChange = components['schemas']['UndoneChange'];
export type UserChangeUndone = components['schemas']['UserChangeUndone'];
export type UserDeleted = components['schemas']['UserDeleted'];
export type UserDisabled = components['schemas']['UserDisabled'];
export type UserDisowned = components['schemas']['UserDisowned'];
export type UserEmailChangeRequested = components['schemas']['UserEmailChangeRequested'];
export type UserEmailChangeUndone = components['schemas']['UserEmailChangeUndone'];
export type UserEmailChanged = components['schemas']['UserEmailChanged'];
export type UserEmailVerificationRequested = components['schemas']['UserEmailVerificationRequested'];
export type UserEmailVerified = components['schemas']['UserEmailVerified'];
export type UserEnabled = components['schemas']['UserEnabled'];
export type UserId = components['schemas']['UserId'];
export type UserImported = components['schemas']['UserImported'];
export type UserInvitationAccepted = components['schemas']['UserInvitationAccepted'];
export type UserInvited = components['schemas']['UserInvited'];
export type UserLocked = components['schemas']['UserLocked'];
export type UserLoggedIn = components['schemas']['UserLoggedIn'];
export type UserNewSignIn = components['schemas']['UserNewSignIn'];
export type UserPasswordChanged = components['schemas']['UserPasswordChanged'];
export type UserPasswordResetRequested = components['schemas']['UserPasswordResetRequested'];
export type UserProfileUpdated = components['schemas']['UserProfileUpdated'];
export type UserRecoveryCodeUsed = components['schemas']['UserRecoveryCodeUsed'];
export type UserRecoveryCodesRenewed = components['schemas']['UserRecoveryCodesRenewed'];
export type UserRegistered = components['schemas']['UserRegistered'];
export type UserRegistrationAttempted = components['schemas']['UserRegistrationAttempted'];
export type UserRolesChanged = components['schemas']['UserRolesChanged'];
export type UserSessionsEnded = components['schemas']['UserSessionsEnded'];
export type UserState = components['schemas']['UserState'];
export type UserStatus = components['schemas']['UserStatus'];
export type UserTotpDisabled = components['schemas']['UserTotpDisabled'];
export type UserTotpEnabled = components['schemas']['UserTotpEnabled'];
export type UserUnlocked = components['schemas']['UserUnlocked'];
export type UserChangeUndoneRecord = components['schemas']['UserChangeUndoneRecord'];
export type UserDeletedRecord = components['schemas']['UserDeletedRecord'];
export type UserDisabledRecord = components['schemas']['UserDisabledRecord'];
export type UserDisownedRecord = components['schemas']['UserDisownedRecord'];
export type UserEmailChangeRequestedRecord = components['schemas']['UserEmailChangeRequestedRecord'];
export type UserEmailChangeUndoneRecord = components['schemas']['UserEmailChangeUndoneRecord'];
export type UserEmailChangedRecord = components['schemas']['UserEmailChangedRecord'];
export type UserEmailVerificationRequestedRecord = components['schemas']['UserEmailVerificationRequestedRecord'];
export type UserEmailVerifiedRecord = components['schemas']['UserEmailVerifiedRecord'];
export type UserEnabledRecord = components['schemas']['UserEnabledRecord'];
export type UserImportedRecord = components['schemas']['UserImportedRecord'];
export type UserInvitationAcceptedRecord = components['schemas']['UserInvitationAcceptedRecord'];
export type UserInvitedRecord = components['schemas']['UserInvitedRecord'];
export type UserLockedRecord = components['schemas']['UserLockedRecord'];
export type UserLoggedInRecord = components['schemas']['UserLoggedInRecord'];
export type UserNewSignInRecord = components['schemas']['UserNewSignInRecord'];
export type UserPasswordChangedRecord = components['schemas']['UserPasswordChangedRecord'];
export type UserPasswordResetRequestedRecord = components['schemas']['UserPasswordResetRequestedRecord'];
export type UserProfileUpdatedRecord = components['schemas']['UserProfileUpdatedRecord'];
export type UserRecoveryCodeUsedRecord = components['schemas']['UserRecoveryCodeUsedRecord'];
export type UserRecoveryCodesRenewedRecord = components['schemas']['UserRecoveryCodesRenewedRecord'];
export type UserRegisteredRecord = components['schemas']['UserRegisteredRecord'];
export type UserRegistrationAttemptedRecord = components['schemas']['UserRegistrationAttemptedRecord'];
export type UserRolesChangedRecord = components['schemas']['UserRolesChangedRecord'];
export type UserSessionsEndedRecord = components['schemas']['UserSessionsEndedRecord'];
export type UserTotpDisabledRecord = components['schemas']['UserTotpDisabledRecord'];
export type UserTotpEnabledRecord = components['schemas']['UserTotpEnabledRecord'];
export type UserUnlockedRecord = components['schemas']['UserUnlockedRecord'];
export type EventRecord = components['schemas']['EventRecord'];
export type UserStateRecord = components['schemas']['UserStateRecord'];
export type UserStateTombstoneRecord = components['schemas']['UserStateTombstoneRecord'];
export type StateRecord = components['schemas']['StateRecord'];
type WithRequired<T, K extends keyof T> = T & {
    [P in K]-?: T[P];
};
