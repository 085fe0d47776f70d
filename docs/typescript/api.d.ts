// Generated from docs/openapi.json by scripts/contract.

export interface paths {
    "/.well-known/jwks.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the public keys that verify access tokens. */
        get: operations["getJwks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/.well-known/oauth-authorization-server": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the metadata of the authorization server (RFC 8414). */
        get: operations["getAuthorizationServer"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/.well-known/openid-configuration": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the metadata of the authorization server (RFC 8414), at the path of OpenID Connect Discovery. */
        get: operations["getOpenidConfiguration"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/clients": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists clients in pages, newest first. */
        get: operations["listClients"];
        put?: never;
        /**
         * Creates a client.
         * @description The response has its secret, which cannot be read again.
         */
        post: operations["createClient"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/clients/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns a client. */
        get: operations["getClient"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/clients/{id}/disable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Disables a client: it gets no token, and this service no longer accepts those that it has.
         * @description Does nothing if it is already disabled.
         */
        post: operations["disableClient"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/clients/{id}/drop-old-secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Drops the older one of two secrets.
         * @description Does nothing if there is only one.
         */
        post: operations["dropOldClientSecret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/clients/{id}/enable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Enables a client: it gets tokens again. Tokens from before it was disabled stay invalid.
         * @description Does nothing if it is active.
         */
        post: operations["enableClient"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/clients/{id}/rotate-secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Makes a new secret. The one before stays valid, and an older one is dropped.
         * @description The response has the new secret, which cannot be read again.
         */
        post: operations["rotateClientSecret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists accounts in pages.
         * @description The newest accounts come first. If `query` is given, the list has the accounts whose email address or username begins
         *     with it, in the order of that. A page may have fewer accounts than `limit` although there is a next page. Accounts
         *     that are created or deleted meanwhile do not shift the pages.
         *
         *     If `ids`, `email` or `username` is given, the list has the accounts with these ids, newest first, or the one account
         *     with this email address or username. All results are on one page, so `limit` and `cursor` are not allowed. Accounts
         *     that do not exist are not in the list. At most one of `query`, `ids`, `email` and `username` is allowed.
         */
        get: operations["listUsers"];
        put?: never;
        /**
         * Creates an account with a password, or invites a person.
         * @description An account with a `password` exists at once, and its user gets the welcome mail with the verification link. For an
         *     invitation, a mail to the address has a link with which the invited person chooses a password, and the username if
         *     it is left out here; until then no password can sign in to the account. The response is the account in both cases,
         *     also with `auth.registration = "hidden"`. A repeated request with the same `Idempotency-Key` returns the same account.
         */
        post: operations["createUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/users/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns an account. */
        get: operations["getUser"];
        put?: never;
        post?: never;
        /**
         * Deletes an account.
         * @description The user is notified by mail. The deletion cannot be undone.
         */
        delete: operations["deleteUser"];
        options?: never;
        head?: never;
        /**
         * Changes the profile and the roles of an account, in one write.
         * @description A client changes no roles, and no account that has a role.
         */
        patch: operations["updateUser"];
        trace?: never;
    };
    "/api/admin/users/{id}/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns the audit log of an account, newest entries first.
         * @description The log of an administrator also has the actions of the administrator on other accounts.
         */
        get: operations["getUserAuditLog"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/users/{id}/disable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Disables the account: ends all its sessions, and refuses logins until it is enabled again.
         * @description Does nothing if the account is already disabled.
         */
        post: operations["disableUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/users/{id}/enable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Enables the account: accepts logins again.
         * @description Does nothing if the account is active.
         */
        post: operations["enableUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/users/{id}/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends all sessions of the account. This service no longer accepts their access tokens. */
        post: operations["logoutUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/users/{id}/remove-second-factor": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Removes the second factor of another account.
         * @description Its recovery codes become void, and all sessions of the account end. The owner is notified by mail.
         */
        post: operations["removeSecondFactor"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/users/{id}/resend-invitation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends the invitation again. The new link replaces the earlier one. */
        post: operations["resendInvitation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/users/{id}/unlock": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Resets the failed attempts that are counted for the account, from all networks.
         * @description Does nothing if there are none.
         */
        post: operations["unlockUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/accept-invitation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Accepts an invitation.
         * @description Sets the password, and the username if the invitation has none. The email address counts as verified, and the user
         *     can sign in from then on. All other mailed links become invalid. If a value is refused, the token can be used again.
         */
        post: operations["acceptInvitation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/email-change/confirm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Confirms a change of the email address.
         * @description The account has the new address from then on. The old address stays reserved for some days, and gets a link to undo
         *     the change.
         */
        post: operations["confirmEmailChange"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/email-change/undo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Undoes a change of the email address, and all later changes of it.
         * @description All sessions end. The account has the old address again, and a link to choose a new password is mailed to it.
         */
        post: operations["undoEmailChange"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/email-verification": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Verifies the email address to which the token was mailed.
         * @description A token works once.
         */
        post: operations["verifyEmail"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/email-verification/disown": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Disowns an account: reports, with the token of a verification mail, that the owner of the mailbox did not create it.
         * @description The password of the account becomes unusable, its second factor is removed, and all its sessions and mailed links
         *     end. The email address stays unverified. With a password reset, the owner of the mailbox gets the account. A token
         *     works once.
         */
        post: operations["disownAccount"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/email-verification/resend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Requests a new verification mail.
         * @description The response does not reveal whether there is such an account.
         */
        post: operations["resendEmailVerification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts a session with a password. */
        post: operations["login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/login/totp": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts a session with the second factor, after `POST /api/auth/login` has verified the password. */
        post: operations["loginTotp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Ends the session of the refresh token.
         * @description The response is 204 for any string. In cookie mode the body is empty.
         */
        post: operations["logout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/password-reset": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Requests a mail with a link to choose a new password.
         * @description The response does not reveal whether there is such an account.
         */
        post: operations["requestPasswordReset"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/password-reset/confirm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sets a new password.
         * @description All sessions end. All other mailed links become invalid, except those that undo a change of the email address. The
         *     email address counts as verified. If the password is refused, the token can be used again.
         */
        post: operations["confirmPasswordReset"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/reauthenticate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Makes the session recently authenticated.
         * @description For the next ten minutes, the session may change the email address, the password and the second factor, and export
         *     and delete the account. The tokens stay the same.
         */
        post: operations["reauthenticate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Exchanges a refresh token for the next tokens of its session.
         * @description A refresh token that was already used ends its session. In cookie mode the body is empty.
         */
        post: operations["refresh"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/undo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Undoes a change of the password, of TOTP or of the recovery codes, or disowns a sign-in, with the token from the notice.
         * @description All sessions end. A changed password, and that of a disowned sign-in, becomes unusable, and a link to choose a new one
         *     is mailed. TOTP that was turned on is removed. New recovery codes become void. A token works once.
         */
        post: operations["undoChange"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Verifies an access token for a gateway.
         * @description The gateway lets a request pass only after a 204, and replaces all `X-User-*` headers of the request by those of the
         *     response. Any other response means that the request must be refused, including a 503. A disabled or deleted account,
         *     an ended session and a logout are seen at once. No rate limit applies, because all requests of a gateway come from one
         *     address.
         */
        get: operations["verifyAccessToken"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Registers an account.
         * @description A repeated request with the same `Idempotency-Key` returns the same account.
         */
        post: operations["register"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the account of the caller. */
        get: operations["getMe"];
        put?: never;
        post?: never;
        /**
         * Deletes the account of the caller.
         * @description The deletion cannot be undone. The username and the email address are free immediately.
         */
        delete: operations["deleteMe"];
        options?: never;
        head?: never;
        /** Changes the profile of the caller. */
        patch: operations["updateMe"];
        trace?: never;
    };
    "/api/users/me/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the audit log of the caller's account, newest entries first. */
        get: operations["getMyAuditLog"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me/delete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Deletes the account of the caller, like `DELETE /api/users/me`.
         * @description For clients behind a proxy that drops the body of a DELETE (RFC 9110 defines no meaning for it).
         */
        post: operations["deleteMeByPost"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me/email": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Requests a change of the email address.
         * @description The change takes effect when it is confirmed with the link that is mailed to the new address. The current address is
         *     notified. The response does not reveal whether another account has the new address; that is checked at the
         *     confirmation. Another spelling of the current address, for example in letter case, takes effect immediately and
         *     without a mail.
         */
        put: operations["changeEmail"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns all data that is stored about the user, except secrets.
         * @description The session must have given the password, and the second factor if it is on, within the last ten minutes. If the
         *     export cannot be completed, the connection is closed early. So a complete response is a complete export.
         */
        get: operations["exportMe"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Changes the password of the caller. All other sessions end.
         * @description If the second factor is on, the session must have given it within the last ten minutes.
         */
        put: operations["changePassword"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists the active sessions of the caller, newest first.
         * @description The first page always includes the current session.
         */
        get: operations["listSessions"];
        put?: never;
        post?: never;
        /** Ends all sessions of the caller except the current one. */
        delete: operations["endOtherSessions"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Ends one session of the caller.
         * @description Its access token stays valid until it expires, except at `GET /api/auth/verify`.
         */
        delete: operations["endSession"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me/totp": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns whether logins require a second factor, and how many recovery codes are left. */
        get: operations["getTotp"];
        put?: never;
        /**
         * Starts the set-up of a second factor.
         * @description The second factor is on when a code is confirmed within an hour. Starting again returns another secret.
         */
        post: operations["startTotp"];
        /** Removes the second factor. Its recovery codes become void. */
        delete: operations["removeTotp"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me/totp/confirm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Confirms the set-up: turns the second factor on.
         * @description The recovery codes are shown only once.
         */
        post: operations["confirmTotp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me/totp/recovery-codes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Creates new recovery codes. All old ones become void. */
        post: operations["renewRecoveryCodes"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/me/totp/remove": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Removes the second factor, like `DELETE /api/users/me/totp`.
         * @description For clients behind a proxy that drops the body of a DELETE (RFC 9110 defines no meaning for it).
         */
        post: operations["removeTotpByPost"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/introspect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Says whether an access token is valid now, and what it says (RFC 7662).
         * @description The client needs the scope `tokens:introspect`. It may introspect the tokens of users and of clients. An ended
         *     session, a disabled account, a disabled client and a revoked token are seen at once.
         */
        post: operations["introspectToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Revokes a token (RFC 7009).
         * @description A client revokes its own access tokens. The refresh token of a user ends its session, like `POST /api/auth/logout`.
         *     The response is 200 for an unknown token, too.
         */
        post: operations["revokeToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Issues a token to a client (RFC 6749, section 4.4).
         * @description The client authenticates with `Authorization: Basic` or in the form. It may request the token again whenever it has
         *     expired; there is no refresh token.
         */
        post: operations["issueClientToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export interface components {
    schemas: {
        /** @description The password of the account, to confirm the deletion. It may be missing if the session is recently authenticated. */
        AccountDeletion: {
            password?: string;
        };
        /** @description An entry of an audit log: an action on an account. */
        AuditEntry: {
            /** @description The actor: `self`, `admin`, `client`, `operator` or `system`. */
            actor: string;
            /**
             * Format: uuid
             * @description The id of the administrator or of the client, if the actor is one.
             */
            actorId?: string | null;
            /**
             * @description The address that the request came from. For an action of an administrator, it is only in the administrator's own
             *     log; for an action of a client, only administrators see it.
             */
            address?: string | null;
            /** Format: date-time */
            at: string;
            /** @description The user agent, with the same restriction. */
            client?: string | null;
            /** Format: uuid */
            id: string;
            /** @description The reason that an administrator or operator gave, for actions that require one. */
            reason?: string | null;
            /**
             * Format: uuid
             * @description The id of the affected account or client, in the log of the administrator.
             */
            targetId?: string | null;
            /** @description The type of the event, or the name of an action that has no event, such as `login_failed`. */
            type: string;
        };
        /** @description A page of an audit log, newest entries first. */
        AuditPage: {
            items: components["schemas"]["AuditEntry"][];
            /** @description The `cursor` of the next page; null on the last page. */
            nextCursor?: string | null;
        };
        /**
         * @description An authentication factor of an account.
         * @enum {string}
         */
        AuthenticationFactor: "password" | "second-factor";
        /**
         * @description The password, and a code of the second factor. Each may be missing if the session has given both within the last ten
         *     minutes.
         */
        BothFactors: {
            /**
             * @description A code of the authenticator, or a recovery code. Spaces, dashes and letter case do not matter.
             * @example 123 456
             */
            code?: string;
            password?: string;
        };
        /** @description A client. */
        Client: {
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: uuid
             * @description The `client_id`.
             */
            id: string;
            name: string;
            scopes: string[];
            /** @description The valid secrets, the oldest first: one, or two during a rotation. */
            secrets: components["schemas"]["ClientSecret"][];
            /** @description `active` or `disabled`. */
            status: string;
        };
        /** @description A page of clients, newest first. */
        ClientPage: {
            items: components["schemas"]["Client"][];
            /** @description The `cursor` of the next page; null on the last page. */
            nextCursor?: string | null;
        };
        /** @description A valid secret of a client. The secret itself is not stored. */
        ClientSecret: {
            /** Format: date-time */
            createdAt: string;
        };
        /** @description A client and its new secret. */
        ClientWithSecret: {
            client: components["schemas"]["Client"];
            /** @description The `client_secret`. It is shown only here. */
            secret: string;
        };
        /**
         * @description The new email address, and the password of the account. The password may be missing if the session is recently
         *     authenticated.
         */
        EmailChange: {
            /** @example ada@example.net */
            newEmail: string;
            password?: string;
        };
        /** @description The token from the link in the mail. */
        EmailChangeToken: {
            token: string;
        };
        /** @description The token from the link in the mail. */
        EmailVerification: {
            token: string;
        };
        /** @description The email address to which a new link is mailed. */
        EmailVerificationResend: {
            /** @example ada@example.org */
            email: string;
        };
        /** @description All data that is stored about a user, except secrets. */
        Export: components["schemas"]["ExportHead"] & {
            audit: components["schemas"]["AuditEntry"][];
            sessions: components["schemas"]["ExportedSession"][];
        };
        /** @description The export without the lists that may be long. */
        ExportHead: {
            account: components["schemas"]["User"];
            /** @description The normalised forms by which the email addresses are compared, the current one first. */
            emailKeys: string[];
            /** Format: date-time */
            exportedAt: string;
            /**
             * Format: date-time
             * @description The time until which the `Idempotency-Key` of the registration is honoured. The key is stored as a keyed hash.
             */
            idempotencyKeyUntil?: string | null;
            /**
             * Format: date-time
             * @description The time when the account was imported from another system.
             */
            importedAt?: string | null;
            /** @description Networks of successful logins, the latest first. They are stored as keyed hashes, so only their times are shown. */
            knownNetworks: components["schemas"]["ExportedNetwork"][];
            /**
             * Format: date-time
             * @description The time until which the account counts as under attack by password guessing. Its owner was notified.
             */
            lockedUntil?: string | null;
            /** @description Mailed links that are not used yet. */
            oneTimeTokens: components["schemas"]["ExportedToken"][];
            /** @description Events that are not published yet. */
            pendingEvents: components["schemas"]["ExportedEvent"][];
            /** @description Earlier email addresses that are still reserved for the account. */
            reservedAddresses: components["schemas"]["ExportedKey"][];
            /** @description Earlier usernames that are still reserved for the account. */
            reservedUsernames: components["schemas"]["ExportedKey"][];
            secondFactor?: components["schemas"]["ExportedSecondFactor"] | null;
            /**
             * Format: date-time
             * @description The time when the second factor was removed.
             */
            secondFactorOffAt?: string | null;
            /**
             * Format: date-time
             * @description The time until which the set-up of a second factor can be confirmed.
             */
            secondFactorSetupUntil?: string | null;
            /**
             * Format: date-time
             * @description The time since which the account has a second factor, as the links that undo a change use it.
             */
            secondFactorSince?: string | null;
            /**
             * @description Pairs of a device and a network from which the user signed in, the latest first. They are stored as keyed hashes, so
             *     only their times are shown.
             */
            signInPlaces: components["schemas"]["ExportedSignInPlace"][];
            /** @description Used links that are remembered for a while, so that their pages can say that they were used. */
            usedLinks: components["schemas"]["ExportedUsedLink"][];
            /** @description The normalised form by which the username is compared. */
            usernameKey: string;
        };
        /** @description An event that is not published yet. */
        ExportedEvent: {
            /** Format: date-time */
            at: string;
            /** Format: uuid */
            id: string;
            type: string;
        };
        /** @description The normalised form of a username or email address that is reserved for a while. */
        ExportedKey: {
            key: string;
            /** Format: date-time */
            until: string;
        };
        /** @description A network from which the user has logged in. */
        ExportedNetwork: {
            /** Format: date-time */
            lastSeen: string;
        };
        /** @description The current second factor. */
        ExportedSecondFactor: {
            /** Format: date-time */
            enabledAt: string;
            recoveryCodesLeft: number;
        };
        /** @description A stored session, which may have ended. */
        ExportedSession: {
            address?: string | null;
            /**
             * Format: date-time
             * @description The time of the last reauthentication; null if there was none.
             */
            authenticatedAt?: string | null;
            /** Format: date-time */
            createdAt: string;
            device?: string | null;
            ended: boolean;
            /** Format: date-time */
            expiresAt: string;
            /** Format: uuid */
            id: string;
            /** Format: date-time */
            lastUsedAt: string;
            /** Format: date-time */
            rotatedAt: string;
            /** @description Whether the second factor was given at that time (without a reauthentication, at the login) or later. */
            secondFactor: boolean;
            userAgent?: string | null;
        };
        /** @description A device and a network from which the user signed in. */
        ExportedSignInPlace: {
            /** Format: date-time */
            lastSeen: string;
        };
        /** @description A mailed link that is not used yet. */
        ExportedToken: {
            /** @description The email address as it was entered, if the link makes it that of the account. */
            address?: string | null;
            /** @description The normalised form of the email address to which it was mailed. */
            addressKey: string;
            /** Format: date-time */
            expiresAt: string;
            purpose: string;
        };
        /** @description A mailed link that was used. */
        ExportedUsedLink: {
            /** @description The normalised form of the email address to which it was mailed. */
            addressKey: string;
            purpose: string;
            /** Format: date-time */
            until: string;
        };
        /**
         * @description One entry of `errors` in a `validation-failed` problem.
         *
         *     `detail` is shown to the client. It never repeats the refused value, which may be a password.
         */
        FieldError: components["schemas"]["Location"] & {
            /** @description A stable code in kebab case: `missing`, `too-short`, … */
            code: string;
            /** @description The error as a sentence. */
            detail: string;
        };
        /** @description What a token says (RFC 7662, section 2.2). A token that is not active has only the first member. */
        IntrospectionResponse: {
            /** @description Whether the token is valid now. */
            active: boolean;
            aud?: string;
            client_id?: string;
            /** Format: int64 */
            exp?: number;
            /** Format: int64 */
            iat?: number;
            iss?: string;
            /** Format: uuid */
            jti?: string;
            /** @description The current roles of the user. */
            roles?: string[];
            /** @description The scopes of a client's token, with a space between them. */
            scope?: string;
            /**
             * Format: uuid
             * @description The id of the user's session.
             */
            sid?: string;
            /** @description The id of the user, or `client:` and the id of the client. */
            sub?: string;
            /** @description `Bearer` */
            token_type?: string;
            /** @description The current username of the user. */
            username?: string;
        };
        /** @description The token from the link in the mail, and what the invited person chooses. */
        InvitationAcceptance: {
            /**
             * @description At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
             *     passwords are refused.
             */
            password: string;
            token: string;
            /**
             * @description Required if the invitation has no username, and refused if it has one.
             * @example ada
             */
            username?: string;
        };
        /** @description A public key. */
        Jwk: {
            /** @description `ES256`, `EdDSA` or `RS256` */
            alg: string;
            /** @description `P-256` (EC) or `Ed25519` (OKP). RSA keys have none. */
            crv?: string;
            /** @description RSA: the exponent, in base64url. */
            e?: string;
            /** @description The id of the key: its thumbprint (RFC 7638). */
            kid: string;
            /** @description `EC`, `OKP` or `RSA` */
            kty: string;
            /** @description RSA: the modulus, in base64url. */
            n?: string;
            /** @description `sig` */
            use: string;
            /** @description EC: the x coordinate. OKP: the public key. In base64url; RSA keys have none. */
            x?: string;
            /** @description EC: the y coordinate, in base64url. */
            y?: string;
        };
        /** @description A JWK set (RFC 7517). */
        JwkSet: {
            keys: components["schemas"]["Jwk"][];
        };
        /** @description The part of the request that has the error. */
        Location: {
            /** @description A location in the body: a JSON Pointer as a URI fragment (RFC 6901, section 6). */
            pointer: string;
        } | {
            /** @description A query parameter. */
            parameter: string;
        } | {
            /** @description A header field. */
            header: string;
        };
        /** @description The credentials of a user. */
        Login: {
            /**
             * @description Whether the refresh token goes into a cookie that scripts cannot read, instead of the body: for a browser
             *     application whose origin is in `http.cors_allowed_origins`.
             * @default false
             */
            cookie: boolean;
            /**
             * @description The email address or the username.
             * @example ada@example.org
             */
            identifier: string;
            /** @example correct horse battery */
            password: string;
        };
        /** @description A new client. */
        NewClient: {
            /**
             * @description One line of at most 100 characters, which administrators read.
             * @example billing
             */
            name: string;
            /**
             * @description What the client may do: `users:read`, `users:create`, `users:write`, `users:disable`, `users:invite`,
             *     `sessions:end`, `tokens:introspect`.
             * @example [
             *       "users:read"
             *     ]
             */
            scopes: string[];
        };
        /** @description The data of a new account, with either `password` or `invite`. */
        NewUser: {
            /** @description Any attributes that the configured schema allows, up to 16 KiB. */
            attributes?: Record<string, never>;
            /** @example Ada Lovelace */
            displayName?: string;
            /** @example ada@example.org */
            email: string;
            /**
             * @description Whether the person is invited by mail to choose the password.
             * @example false
             */
            invite?: boolean;
            /**
             * @description A language tag (BCP 47). The mail is in this language.
             * @example en-GB
             */
            locale?: string;
            /**
             * @description At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
             *     passwords are refused.
             * @example correct horse battery
             */
            password?: string;
            /**
             * @description 3 to 32 letters, digits, `.`, `_` or `-`. May be left out of an invitation: then the invited person chooses it.
             * @example ada
             */
            username?: string;
        };
        /** @description The body of an error response of an OAuth endpoint (RFC 6749, section 5.2). */
        OAuthError: {
            /**
             * @description `invalid_request`, `invalid_client`, `invalid_grant`, `unauthorized_client`, `unsupported_grant_type`,
             *     `invalid_scope` or `unsupported_token_type`.
             */
            error: string;
            /** @description The explanation of this occurrence. */
            error_description: string;
        };
        /** @description The current password and the new one. */
        PasswordChange: {
            currentPassword: string;
            /**
             * @description At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
             *     passwords are refused.
             */
            newPassword: string;
        };
        /** @description The email address of the account whose password is forgotten. */
        PasswordReset: {
            /** @example ada@example.org */
            email: string;
        };
        /** @description The token from the link in the mail, and the new password. */
        PasswordResetConfirmation: {
            /**
             * @description At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
             *     passwords are refused.
             */
            newPassword: string;
            token: string;
        };
        /** @description The body of every error response (RFC 9457, `application/problem+json`). */
        Problem: {
            /** @description The explanation of this occurrence. */
            detail: string;
            /** @description All errors that were found. Only with `validation-failed`. */
            errors?: components["schemas"]["FieldError"][];
            /** @description The token to send together with the code. Only with `mfa-required`. */
            mfaToken?: string | null;
            /** @description The `x-request-id` of the response, which is also in the log. */
            requestId?: string | null;
            /** @description All factors of the account, to send to `/api/auth/reauthenticate`. Only with `reauthentication-required`. */
            required?: components["schemas"]["AuthenticationFactor"][];
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description The problem type in a few words. */
            title: string;
            /** @description The problem type: `/problems/<slug>`, which is also the address of a page about it. */
            type: string;
        };
        /** @description The members to change (RFC 7396); null clears a member. */
        ProfilePatch: {
            /** @description Merged into the current attributes. */
            attributes?: Record<string, never> | null;
            displayName?: string | null;
            locale?: string | null;
            timezone?: string | null;
            /** @description The new username; cannot be cleared. */
            username?: string;
        };
        /** @description The password, and a code of the second factor if it is on. */
        Reauthentication: {
            /**
             * @description A code of the authenticator, or a recovery code. Required exactly if the second factor is on. Spaces, dashes and
             *     letter case do not matter.
             * @example 123 456
             */
            code?: string;
            password: string;
        };
        /** @description Recovery codes, shown only once. */
        RecoveryCodes: {
            /**
             * @description Each code replaces a code of the authenticator once.
             * @example [
             *       "7KQ2XN-4D0HVT-93ZBE1-MCS8GW"
             *     ]
             */
            recoveryCodes: string[];
        };
        /** @description A refresh token. */
        Refresh: {
            refreshToken: string;
        };
        /** @description The data of a new account. */
        Registration: {
            /** @description Any attributes that the configured schema allows, up to 16 KiB. */
            attributes?: Record<string, never>;
            /** @example Ada Lovelace */
            displayName?: string;
            /** @example ada@example.org */
            email: string;
            /**
             * @description A language tag (BCP 47).
             * @example en-GB
             */
            locale?: string;
            /**
             * @description At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
             *     passwords are refused.
             * @example correct horse battery
             */
            password: string;
            /**
             * @description 3 to 32 letters, digits, `.`, `_` or `-`.
             * @example ada
             */
            username: string;
        };
        /** @description The response of a service that does not reveal which email addresses have an account. */
        RegistrationPending: {
            /**
             * @description A mail to the address explains the next step.
             * @example verification-pending
             */
            status: string;
        };
        /** @description The name of a role. `admin` is the role of administrators; the meaning of all others is defined by applications. */
        Role: string;
        /** @description The token that stands for the verified password, and a code of the second factor. */
        SecondFactor: {
            /**
             * @description A code of the authenticator, or a recovery code. Spaces, dashes and letter case do not matter.
             * @example 123 456
             */
            code: string;
            /**
             * @description Does the same as at `POST /api/auth/login`.
             * @default false
             */
            cookie: boolean;
            /** @description The `mfaToken` of the problem `mfa-required`, valid for one login within five minutes. */
            mfaToken: string;
        };
        /** @description The reason for removing the second factor. */
        SecondFactorRemoval: {
            /**
             * @description One line of at most 500 characters. It is recorded in the audit log of the account, which its owner can read, and
             *     in that of the administrator.
             * @example lost phone and codes; identity checked by video call, ticket 4711
             */
            reason: string;
        };
        /**
         * @description The metadata of the authorization server.
         *
         *     These members are missing because they would not be true:
         *     - `authorization_endpoint`: users sign in with the API of this service and not by a redirect. RFC 8414 requires it
         *       only for grants that use it.
         *     - `id_token_signing_alg_values_supported`, `userinfo_endpoint`, `claims_supported`: there are no ID tokens. `alg` of a
         *       JWK is how access tokens are signed. OpenID Connect Discovery requires the first of them, so that a library for ID
         *       tokens has to be told the algorithm (for example `SupportedSigningAlgs` of go-oidc, which else takes RS256).
         *     - `registration_endpoint`: clients are made by operators and administrators.
         *     - `code_challenge_methods_supported`: there are no codes.
         */
        ServerMetadata: {
            /** @description `client_credentials`. Without this member, codes and implicit grants would be meant. */
            grant_types_supported: string[];
            introspection_endpoint: string;
            introspection_endpoint_auth_methods_supported: string[];
            /** @description `iss` of every token. Libraries refuse a document whose issuer is not the one that they know. */
            issuer: string;
            /** @description The key set. Resource servers of Spring Security and go-oidc read no other member but this one and the issuer. */
            jwks_uri: string;
            /** @description Empty, because there is no authorization endpoint. RFC 8414 requires the member. */
            response_types_supported: string[];
            revocation_endpoint: string;
            revocation_endpoint_auth_methods_supported: string[];
            scopes_supported: string[];
            /** @description The documentation of the API, if this service has it. */
            service_documentation?: string;
            /** @description `public`: `sub` of a user is the same for everyone. Spring's client reads no document without this member. */
            subject_types_supported: string[];
            token_endpoint: string;
            /** @description `client_secret_basic` and `client_secret_post`. Without this member, only the first would be meant. */
            token_endpoint_auth_methods_supported: string[];
        };
        /** @description A session of the caller. */
        Session: {
            /** @description The IP address of the login. */
            address?: string | null;
            /** Format: date-time */
            createdAt: string;
            /** @description Whether it is the session of the access token of this request. */
            current: boolean;
            /** @description The browser and the system as far as they are known, such as "Firefox on Linux". */
            device?: string | null;
            /** Format: uuid */
            id: string;
            /**
             * Format: date-time
             * @description The time of the login or of the last refresh.
             */
            lastUsedAt: string;
        };
        /** @description A page of sessions, newest first. */
        SessionPage: {
            items: components["schemas"]["Session"][];
            /** @description The `cursor` of the next page; null on the last page. */
            nextCursor?: string | null;
        };
        /** @description The tokens of a session, and the account. */
        SignedIn: {
            /** @description A JWT for `Authorization: Bearer`. */
            accessToken: string;
            /**
             * Format: int64
             * @description The lifetime of the access token in seconds.
             */
            expiresIn: number;
            /** @description A token for `POST /api/auth/refresh`, valid for one refresh. It is absent if it is in the cookie. */
            refreshToken?: string;
            /** @description `Bearer` */
            tokenType: string;
            user: components["schemas"]["User"];
        };
        /** @description The form of an introspection or a revocation. Other parameters are ignored. */
        TokenForm: {
            /** @description The client's id, if the request has no `Authorization: Basic`. */
            client_id?: string;
            /** @description The client's secret, if the request has no `Authorization: Basic`. */
            client_secret?: string;
            /** @description The token. */
            token: string;
            /** @description It is ignored, because a token shows what it is. */
            token_type_hint?: string;
        };
        /** @description The form of a request for a token. Other parameters are ignored (RFC 6749, section 3.2). */
        TokenRequest: {
            /** @description The client's id, if the request has no `Authorization: Basic`. */
            client_id?: string;
            /** @description The client's secret, if the request has no `Authorization: Basic`. */
            client_secret?: string;
            /**
             * @description `client_credentials`
             * @example client_credentials
             */
            grant_type: string;
            /**
             * @description The requested scopes, with a space between them; all scopes of the client if it is missing.
             * @example users:read
             */
            scope?: string;
        };
        /** @description A new access token (RFC 6749, section 5.1). */
        TokenResponse: {
            /** @description A JWT for `Authorization: Bearer`. */
            access_token: string;
            /**
             * Format: int64
             * @description The lifetime of the token in seconds.
             */
            expires_in: number;
            /** @description The scopes of the token, with a space between them. */
            scope: string;
            /** @description `Bearer` */
            token_type: string;
        };
        /** @description A code that proves that the authenticator has the secret. */
        TotpConfirmation: {
            /**
             * @description A code of the authenticator. Spaces do not matter.
             * @example 123 456
             */
            code: string;
        };
        /** @description The password of the account. It may be missing if the session is recently authenticated. */
        TotpSetup: {
            password?: string;
        };
        /** @description The secret for the authenticator, shown only once. */
        TotpStarted: {
            /**
             * @description The secret as a URI, for an authenticator on the same device.
             * @example otpauth://totp/Acme:ada%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme
             */
            otpauthUri: string;
            /** @description The URI as a QR code to scan: an SVG document without script, suitable for an `<img>`. */
            qrCodeSvg: string;
            /**
             * @description The secret in Base32, to be typed.
             * @example GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ
             */
            secret: string;
        };
        /** @description The state of the caller's second factor. */
        TotpStatus: {
            enabled: boolean;
            /**
             * Format: date-time
             * @description The time when it was turned on; null while it is off.
             */
            enabledAt?: string | null;
            /** @description The number of unused recovery codes; null while it is off. */
            recoveryCodesLeft?: number | null;
        };
        /** @description The token from the link in the mail. */
        UndoToken: {
            token: string;
        };
        /** @description An account. Every member is always present, and null if it is not set. */
        User: {
            attributes?: Record<string, never> | null;
            /** Format: date-time */
            createdAt: string;
            displayName?: string | null;
            email: string;
            emailVerified: boolean;
            /** Format: uuid */
            id: string;
            /**
             * @description Whether the account was created by an invitation that is not accepted yet. Until then `username` may be a
             *     placeholder, which the invited person replaces.
             */
            invited: boolean;
            /** Format: date-time */
            lastLoginAt?: string | null;
            /** @description A language tag (BCP 47). */
            locale?: string | null;
            roles: string[];
            /** @description `active` or `disabled`. */
            status: string;
            /** @description An IANA time zone. */
            timezone?: string | null;
            /** Format: date-time */
            updatedAt: string;
            username: string;
            /**
             * Format: int64
             * @description A number that every change increases. The ETag is this number in quotes.
             */
            version: number;
        };
        /** @description A page of accounts. */
        UserPage: {
            items: components["schemas"]["User"][];
            /** @description The `cursor` of the next page; null on the last page. */
            nextCursor?: string | null;
        };
        /** @description The members to change (RFC 7396); null clears a member. */
        UserPatch: {
            /** @description Merged into the current attributes. */
            attributes?: Record<string, never> | null;
            displayName?: string | null;
            locale?: string | null;
            /** @description The new list of all roles of the account. */
            roles?: components["schemas"]["Role"][] | null;
            timezone?: string | null;
            /** @description The new username; cannot be cleared. */
            username?: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type AccountDeletion = components['schemas']['AccountDeletion'];
export type AuditEntry = components['schemas']['AuditEntry'];
export type AuditPage = components['schemas']['AuditPage'];
export type AuthenticationFactor = components['schemas']['AuthenticationFactor'];
export type BothFactors = components['schemas']['BothFactors'];
export type Client = components['schemas']['Client'];
export type ClientPage = components['schemas']['ClientPage'];
export type ClientSecret = components['schemas']['ClientSecret'];
export type ClientWithSecret = components['schemas']['ClientWithSecret'];
export type EmailChange = components['schemas']['EmailChange'];
export type EmailChangeToken = components['schemas']['EmailChangeToken'];
export type EmailVerification = components['schemas']['EmailVerification'];
export type EmailVerificationResend = components['schemas']['EmailVerificationResend'];
export type Export = components['schemas']['Export'];
export type ExportHead = components['schemas']['ExportHead'];
export type ExportedEvent = components['schemas']['ExportedEvent'];
export type ExportedKey = components['schemas']['ExportedKey'];
export type ExportedNetwork = components['schemas']['ExportedNetwork'];
export type ExportedSecondFactor = components['schemas']['ExportedSecondFactor'];
export type ExportedSession = components['schemas']['ExportedSession'];
export type ExportedSignInPlace = components['schemas']['ExportedSignInPlace'];
export type ExportedToken = components['schemas']['ExportedToken'];
export type ExportedUsedLink = components['schemas']['ExportedUsedLink'];
export type FieldError = components['schemas']['FieldError'];
export type IntrospectionResponse = components['schemas']['IntrospectionResponse'];
export type InvitationAcceptance = components['schemas']['InvitationAcceptance'];
export type Jwk = components['schemas']['Jwk'];
export type JwkSet = components['schemas']['JwkSet'];
export type Location = components['schemas']['Location'];
export type Login = components['schemas']['Login'];
export type NewClient = components['schemas']['NewClient'];
export type NewUser = components['schemas']['NewUser'];
export type OAuthError = components['schemas']['OAuthError'];
export type PasswordChange = components['schemas']['PasswordChange'];
export type PasswordReset = components['schemas']['PasswordReset'];
export type PasswordResetConfirmation = components['schemas']['PasswordResetConfirmation'];
export type Problem = components['schemas']['Problem'];
export type ProfilePatch = components['schemas']['ProfilePatch'];
export type Reauthentication = components['schemas']['Reauthentication'];
export type RecoveryCodes = components['schemas']['RecoveryCodes'];
export type Refresh = components['schemas']['Refresh'];
export type Registration = components['schemas']['Registration'];
export type RegistrationPending = components['schemas']['RegistrationPending'];
export type Role = components['schemas']['Role'];
export type SecondFactor = components['schemas']['SecondFactor'];
export type SecondFactorRemoval = components['schemas']['SecondFactorRemoval'];
export type ServerMetadata = components['schemas']['ServerMetadata'];
export type Session = components['schemas']['Session'];
export type SessionPage = components['schemas']['SessionPage'];
export type SignedIn = components['schemas']['SignedIn'];
export type TokenForm = components['schemas']['TokenForm'];
export type TokenRequest = components['schemas']['TokenRequest'];
export type TokenResponse = components['schemas']['TokenResponse'];
export type TotpConfirmation = components['schemas']['TotpConfirmation'];
export type TotpSetup = components['schemas']['TotpSetup'];
export type TotpStarted = components['schemas']['TotpStarted'];
export type TotpStatus = components['schemas']['TotpStatus'];
export type UndoToken = components['schemas']['UndoToken'];
export type User = components['schemas']['User'];
export type UserPage = components['schemas']['UserPage'];
export type UserPatch = components['schemas']['UserPatch'];
export interface operations {
    getJwks: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETags that the client already has */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The key set */
            200: {
                headers: {
                    ETag?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JwkSet"];
                };
            };
            /** @description Not modified */
            304: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getAuthorizationServer: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETags that the client already has */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The metadata */
            200: {
                headers: {
                    ETag?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServerMetadata"];
                };
            };
            /** @description Not modified */
            304: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `not-found`: the issuer is no URL */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getOpenidConfiguration: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETags that the client already has */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The metadata */
            200: {
                headers: {
                    ETag?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServerMetadata"];
                };
            };
            /** @description Not modified */
            304: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `not-found`: the issuer is no URL */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listClients: {
        parameters: {
            query?: {
                /** @description The page size: 1 to 100; 20 by default */
                limit?: number;
                /** @description The `nextCursor` of the previous page */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of clients */
            200: {
                headers: {
                    /** @description The next page (RFC 8288) */
                    Link?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClientPage"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createClient: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewClient"];
            };
        };
        responses: {
            /** @description The client and its secret */
            201: {
                headers: {
                    Location?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClientWithSecret"];
                };
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getClient: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The client's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The client */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Client"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    disableClient: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The client's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The client */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Client"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    dropOldClientSecret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The client's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The client */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Client"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    enableClient: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The client's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The client */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Client"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rotateClientSecret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The client's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The client and its new secret */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClientWithSecret"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listUsers: {
        parameters: {
            query?: {
                /** @description The beginning of an email address or username; letter case does not matter */
                query?: string;
                /** @description The ids of accounts, separated by commas */
                ids?: string[];
                /** @description An email address; compared as at registration, so letter case does not matter */
                email?: string;
                /** @description A username; compared as at registration, so neither letter case nor characters that look alike matter */
                username?: string;
                /** @description `active` or `disabled` */
                status?: string;
                /** @description The page size: 1 to 100; 20 by default */
                limit?: number;
                /** @description The `nextCursor` of the previous page */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of accounts */
            200: {
                headers: {
                    /** @description The next page, `rel="next"` (RFC 8288) */
                    Link?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserPage"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`, `insufficient-scope` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 128 visible ASCII characters; honoured for 24 hours */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewUser"];
            };
        };
        responses: {
            /** @description The account */
            201: {
                headers: {
                    ETag?: string;
                    Location?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`, `insufficient-scope` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `email-taken`, `username-taken` */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed`, `idempotency-key-reused` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETags that the client already has */
                "If-None-Match"?: string;
            };
            path: {
                /** @description The account's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The account */
            200: {
                headers: {
                    ETag?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description Not modified */
            304: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`, `insufficient-scope` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    deleteUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version that the request is based on */
                "If-Match"?: string;
            };
            path: {
                /** @description The account's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Deleted */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: this is the last administrator */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `precondition-failed` */
            412: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    updateUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version that the request is based on */
                "If-Match"?: string;
            };
            path: {
                /** @description The account's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserPatch"];
                "application/merge-patch+json": components["schemas"]["UserPatch"];
            };
        };
        responses: {
            /** @description The changed account */
            200: {
                headers: {
                    ETag?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`, `insufficient-scope` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `username-taken`; `conflict`: this is the last administrator */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `precondition-failed` */
            412: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getUserAuditLog: {
        parameters: {
            query?: {
                /** @description The page size: 1 to 100; 20 by default */
                limit?: number;
                /** @description The `nextCursor` of the previous page */
                cursor?: string;
            };
            header?: never;
            path: {
                /** @description The account's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the audit log */
            200: {
                headers: {
                    /** @description The next page (RFC 8288) */
                    Link?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditPage"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    disableUser: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The account's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Disabled */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`, `insufficient-scope` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: this is the last administrator */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    enableUser: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The account's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Enabled */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`, `insufficient-scope` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    logoutUser: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The account's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All sessions have ended */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`, `insufficient-scope` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    removeSecondFactor: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The account's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SecondFactorRemoval"];
            };
        };
        responses: {
            /** @description Removed */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: the account has no second factor, or is that of the caller */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    resendInvitation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The account's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A mail with a new link is sent */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`, `insufficient-scope` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: the account is not invited, the invitation is accepted, or the account is disabled */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    unlockUser: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The account's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The failed attempts are reset */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    acceptInvitation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InvitationAcceptance"];
            };
        };
        responses: {
            /** @description Accepted */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body`, `token-invalid` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `username-taken` */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    confirmEmailChange: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EmailChangeToken"];
            };
        };
        responses: {
            /** @description Changed */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body`, `token-invalid` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `email-taken` */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    undoEmailChange: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EmailChangeToken"];
            };
        };
        responses: {
            /** @description The account has the old address again */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body`, `token-invalid` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    verifyEmail: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EmailVerification"];
            };
        };
        responses: {
            /** @description Verified */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body`, `token-invalid` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    disownAccount: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EmailVerification"];
            };
        };
        responses: {
            /** @description Disowned */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body`, `token-invalid` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    resendEmailVerification: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EmailVerificationResend"];
            };
        };
        responses: {
            /** @description A mail is sent if an account has this email address and it is not verified */
            202: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    login: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Login"];
            };
        };
        responses: {
            /** @description The tokens and the account */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedIn"];
                };
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `invalid-credentials`; `mfa-required`: send `mfaToken` to `/api/auth/login/totp` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `account-disabled`; `email-not-verified`; `forbidden`: `cookie` is true and the origin is not listed */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    loginTotp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SecondFactor"];
            };
        };
        responses: {
            /** @description The tokens and the account */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedIn"];
                };
            };
            /** @description `malformed-body`; `token-invalid`: the token is unknown, used or expired; log in again */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `invalid-credentials`: the code is wrong or was already used */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `forbidden`: `cookie` is true and the origin is not listed */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    logout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Refresh"];
            };
        };
        responses: {
            /** @description The session has ended, if there was one */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: this response has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    requestPasswordReset: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PasswordReset"];
            };
        };
        responses: {
            /** @description A mail is sent if an account has this email address */
            202: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    confirmPasswordReset: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PasswordResetConfirmation"];
            };
        };
        responses: {
            /** @description Changed */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body`, `token-invalid` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    reauthenticate: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Reauthentication"];
            };
        };
        responses: {
            /** @description The session is recently authenticated */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong-password`; `wrong-code`; `reauthentication-required`: the second factor is on, and `code` is missing */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: there is a `code`, but the second factor is not on */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    refresh: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Refresh"];
            };
        };
        responses: {
            /** @description The tokens and the account */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedIn"];
                };
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: this response has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    undoChange: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UndoToken"];
            };
        };
        responses: {
            /** @description The change is undone */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body`, `token-invalid` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    verifyAccessToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The token is valid */
            204: {
                headers: {
                    /** @description The email address, percent-encoded (RFC 3986): all bytes of its UTF-8 form except letters, digits and `-._~` */
                    "X-User-Email"?: string;
                    /** @description Whether the user has proved that the address is theirs */
                    "X-User-Email-Verified"?: boolean;
                    /** @description The account's id */
                    "X-User-Id"?: string;
                    /** @description The account's roles, separated by commas; empty without roles */
                    "X-User-Roles"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    register: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 128 visible ASCII characters; honoured for 24 hours */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Registration"];
            };
        };
        responses: {
            /** @description The account */
            201: {
                headers: {
                    ETag?: string;
                    Location?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description With `auth.registration = "hidden"`: the response is the same whether or not the email address has an account */
            202: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegistrationPending"];
                };
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `email-taken`, `username-taken` */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed`, `idempotency-key-reused` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getMe: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETags that the client already has */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The account */
            200: {
                headers: {
                    ETag?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description Not modified */
            304: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    deleteMe: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version that the request is based on */
                "If-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AccountDeletion"];
            };
        };
        responses: {
            /** @description Deleted */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong-password`, `reauthentication-required` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: the account is the last administrator */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `precondition-failed` */
            412: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    updateMe: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version that the request is based on */
                "If-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ProfilePatch"];
                "application/merge-patch+json": components["schemas"]["ProfilePatch"];
            };
        };
        responses: {
            /** @description The changed account */
            200: {
                headers: {
                    ETag?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `username-taken` */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `precondition-failed` */
            412: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getMyAuditLog: {
        parameters: {
            query?: {
                /** @description The page size: 1 to 100; 20 by default */
                limit?: number;
                /** @description The `nextCursor` of the previous page */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the audit log */
            200: {
                headers: {
                    /** @description The next page (RFC 8288) */
                    Link?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditPage"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    deleteMeByPost: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version that the request is based on */
                "If-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AccountDeletion"];
            };
        };
        responses: {
            /** @description Deleted */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong-password`, `reauthentication-required` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: the account is the last administrator */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `precondition-failed` */
            412: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    changeEmail: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EmailChange"];
            };
        };
        responses: {
            /** @description A link is mailed to the new address and a notice to the current one; or the new spelling of the current address is saved */
            202: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong-password`, `reauthentication-required` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: the account already has ten earlier addresses */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    exportMe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The export */
            200: {
                headers: {
                    /** @description A file name for the export */
                    "Content-Disposition"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Export"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `reauthentication-required` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    changePassword: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version that the request is based on */
                "If-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PasswordChange"];
            };
        };
        responses: {
            /** @description Changed */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong-password`; `reauthentication-required`: only if the second factor is on */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `precondition-failed` */
            412: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listSessions: {
        parameters: {
            query?: {
                /** @description The page size: 1 to 100; 20 by default */
                limit?: number;
                /** @description The `nextCursor` of the previous page */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of sessions */
            200: {
                headers: {
                    /** @description The next page (RFC 8288) */
                    Link?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionPage"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    endOtherSessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All other sessions have ended */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    endSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session has ended */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `not-found`: the caller has no such active session */
            404: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getTotp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The state */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TotpStatus"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    startTotp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TotpSetup"];
            };
        };
        responses: {
            /** @description The secret, in three forms */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TotpStarted"];
                };
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong-password`, `reauthentication-required`, `email-not-verified` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: the second factor is already on */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    removeTotp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BothFactors"];
            };
        };
        responses: {
            /** @description Removed */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong-password`, `wrong-code`, `reauthentication-required` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: the second factor is not on */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    confirmTotp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TotpConfirmation"];
            };
        };
        responses: {
            /** @description The second factor is on; the recovery codes work without the authenticator */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RecoveryCodes"];
                };
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong-code`, `email-not-verified` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: the set-up is not started or has expired, or the second factor is already on */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    renewRecoveryCodes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BothFactors"];
            };
        };
        responses: {
            /** @description The new codes, shown only once */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RecoveryCodes"];
                };
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong-password`, `wrong-code`, `reauthentication-required` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: the second factor is not on */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    removeTotpByPost: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BothFactors"];
            };
        };
        responses: {
            /** @description Removed */
            204: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed-body` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthorized` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `wrong-password`, `wrong-code`, `reauthentication-required` */
            403: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `conflict`: the second factor is not on */
            409: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `validation-failed` */
            422: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: every response of this operation has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    introspectToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-www-form-urlencoded": components["schemas"]["TokenForm"];
            };
        };
        responses: {
            /** @description What the token says; `active` is false for an unknown token */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["IntrospectionResponse"];
                };
            };
            /** @description `invalid_request`, or `unauthorized_client` without the scope */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description `invalid_client` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: too many failures from this network; this response has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    revokeToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-www-form-urlencoded": components["schemas"]["TokenForm"];
            };
        };
        responses: {
            /** @description The token is not valid, or no longer */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `invalid_request`, `invalid_grant` for the token of another client, or `unsupported_token_type` for the access token of a user */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description `invalid_client` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: too many failures from this network; this response has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    issueClientToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-www-form-urlencoded": components["schemas"]["TokenRequest"];
            };
        };
        responses: {
            /** @description The token */
            200: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenResponse"];
                };
            };
            /** @description `invalid_request`, `unsupported_grant_type` or `invalid_scope` */
            400: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description `invalid_client` */
            401: {
                headers: {
                    /** @description The challenge (RFC 6750; RFC 7617 for clients) */
                    "WWW-Authenticate"?: string;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description `body-too-large` */
            413: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported-media-type` */
            415: {
                headers: {
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate-limited`: too many failures from this network; this response has `RateLimit-Policy` and `RateLimit` */
            429: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `overloaded`, `unavailable` */
            503: {
                headers: {
                    /** @description The number of seconds to wait */
                    "Retry-After"?: number;
                    /** @description The id of the request, which is also in the log */
                    "x-request-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
