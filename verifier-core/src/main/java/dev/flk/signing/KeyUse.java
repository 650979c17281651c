// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

/**
 * One way to make a signature with a key, the right one or one that is a mistake. It can be asked about signatures, and shows
 * nothing of the key.
 */
public final class KeyUse {
    private final Scheme scheme;
    private final KeyForm keyForm;
    private final Message message;
    private final Maker maker;

    KeyUse(Scheme scheme, KeyForm keyForm, Message message, Maker maker) {
        this.scheme = scheme;
        this.keyForm = keyForm;
        this.message = message;
        this.maker = maker;
    }

    /** What signatures are made with. */
    public enum Scheme {
        HMAC_SHA256("HMAC-SHA256", 32),
        HMAC_SHA1("HMAC-SHA1", 20),
        HMAC_SHA384("HMAC-SHA384", 48),
        HMAC_SHA512("HMAC-SHA512", 64),
        ED25519("Ed25519", 64),
        /** A hash, which needs no key. */
        SHA256("SHA-256 without any key", 32);

        private final String displayName;
        private final int signatureBytes;

        Scheme(String displayName, int signatureBytes) {
            this.displayName = displayName;
            this.signatureBytes = signatureBytes;
        }

        public String displayName() {
            return displayName;
        }

        public int signatureBytes() {
            return signatureBytes;
        }

        /** What it is applied to where it is used as it should be. */
        public Message properMessage() {
            return this == ED25519 ? Message.SHA256 : Message.TEXT;
        }
    }

    /** What became of the key's text before it was used. */
    public enum KeyForm {
        AS_CONFIGURED,
        BASE64_DECODED,
        HEX_DECODED,
        WITH_LINE_FEED,
        WITH_CARRIAGE_RETURN_AND_LINE_FEED,
        STRIPPED
    }

    /** What the signature is made over, given a text. */
    public enum Message {
        TEXT,
        SHA256,
        SHA256_IN_HEX
    }

    /** Knows the key. */
    @FunctionalInterface
    interface Maker {
        boolean made(byte[] signature, byte[] message);
    }

    public Scheme scheme() {
        return scheme;
    }

    public KeyForm keyForm() {
        return keyForm;
    }

    public Message message() {
        return message;
    }

    /** Whether this use of the key on {@code text} makes exactly this signature. */
    public boolean made(byte[] signature, HashedText text) {
        return maker.made(signature, text.as(message));
    }
}
