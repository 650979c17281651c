// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.diagnosis.Diagnosis.Difference;

/** The mistakes of signers that a diagnosis looks for, alone and combined, in the order in which they are reported. */
enum Mistake {
    OTHER_ALGORITHM("algorithm", "", ""),
    OTHER_MESSAGE(
            "algorithm",
            "The signature was made over the text instead of its SHA-256 digest, or the other way round.",
            "Ed25519 signs the SHA-256 digest of the text, its 32 bytes; HMAC-SHA256 is made over the text itself."),
    HEX_DIGEST(
            "algorithm",
            "The signature was made over the hex digits of the text's SHA-256 digest.",
            "Ed25519 signs the SHA-256 digest of the text, its 32 bytes; HMAC-SHA256 is made over the text itself."),
    OTHER_KEY("key", "", ""),
    DECODED_SECRET(
            "key",
            "The secret was decoded from base64 or hex before it was used.",
            "Use the UTF-8 bytes of the secret exactly as it is configured."),
    SECRET_WHITE_SPACE(
            "key",
            "The secret was used with a line ending after it, or without the white space around it.",
            "Use the UTF-8 bytes of the secret exactly as it is configured."),
    NOT_ROUNDED(
            "rounding",
            "The reals were not rounded before they were signed.",
            "Round D_hat, budget, coh_star and r to 9 decimals, ties to even: round(float(x), 9) in Python."),
    FIXED_DECIMALS(
            "serialisation",
            "Reals are written with nine decimals, like 1.500000000.",
            "Spell reals as Python's repr(float(x)) does: 1.5, 1.0, 0.0001, 1e-05, 1e+16."),
    JAVASCRIPT_NUMBERS(
            "serialisation",
            "Reals are written as JavaScript and Go do, like 1 or 1e-9.",
            "Spell reals as Python's repr(float(x)) does: 1.0, 0.0001, 1e-05, 1e-09, 1e+16."),
    FIELD_ORDER(
            "serialisation",
            "The fields are in the order of the certificate.",
            "Sort them by character code, capitals first: sort_keys=True in Python."),
    SPACES(
            "serialisation",
            "A space follows each comma and colon, as Python writes by default.",
            "Write no white space: separators=(',', ':') in Python, -c in jq."),
    LINE_FEED(
            "serialisation",
            "A line feed follows the text, as echo, print and jq write it.",
            "End with the closing brace: printf %s, or print(…, end='')."),
    UNESCAPED(
            "serialisation",
            "Non-ASCII characters are not escaped but written in UTF-8.",
            "Escape them as \\u and four lower-case hex digits: json.dumps with ensure_ascii, its default."),
    WHOLE_CERTIFICATE(
            "serialisation",
            "The whole certificate except sig was signed.",
            "Sign exactly D_hat, budget, coh_star, epoch, merkle_root, pcs_id, r and shard_id."),
    SPELLING(
            "spelling",
            "The signature is in hex or URL-safe base64, is not padded, or contains white space.",
            "Encode its bytes in base64: the standard alphabet with + and /, padded with =, no white space.");

    private final String cause;
    private final String what;
    private final String advice;

    Mistake(String cause, String what, String advice) {
        this.cause = cause;
        this.what = what;
        this.advice = advice;
    }

    String advice() {
        return advice;
    }

    Difference difference() {
        return new Difference(cause, what, advice);
    }

    /** Returns the difference with texts for the keys at hand, in place of the general texts of this mistake. */
    Difference difference(String specificWhat, String specificAdvice) {
        return new Difference(cause, specificWhat, specificAdvice);
    }

    /** Returns whether the mistake changes the text that is signed. */
    boolean changesText() {
        return compareTo(NOT_ROUNDED) >= 0 && compareTo(WHOLE_CERTIFICATE) <= 0;
    }
}
