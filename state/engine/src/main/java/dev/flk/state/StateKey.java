// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;

/**
 * The key of a value. Keys are ordered by namespace, agent and name, each by its bytes in UTF-8.
 *
 * @param namespace 1 to 64 characters of {@code A-Za-z0-9._-}
 * @param agentId 1 to 256 bytes in UTF-8, no control characters
 * @param name 1 to 1,024 bytes in UTF-8, no control characters
 */
public record StateKey(String namespace, String agentId, String name) implements Comparable<StateKey> {
    /** The namespace of callers that do not name one. */
    public static final String DEFAULT_NAMESPACE = "default";

    private static final int MAX_AGENT_BYTES = 256;
    private static final int MAX_NAME_BYTES = 1_024;
    private static final int MAX_NAMESPACE_LENGTH = 64;

    private static final Comparator<StateKey> ORDER = Comparator.comparing(StateKey::namespace)
            .thenComparing(StateKey::agentId, StateKey::compareBytes)
            .thenComparing(StateKey::name, StateKey::compareBytes);

    /** @throws StateException INVALID, with the invalid part and the reason */
    public StateKey {
        requireNamespace(namespace);
        requireAgentId(agentId);
        requireText("key", name, MAX_NAME_BYTES);
    }

    /**
     * Requires a valid namespace.
     *
     * @throws StateException INVALID
     */
    public static void requireNamespace(String namespace) {
        // by hand, because a scan makes a key of each entry, and a pattern takes a fifth of its time
        boolean isValid = !namespace.isEmpty() && namespace.length() <= MAX_NAMESPACE_LENGTH;
        for (int at = 0; isValid && at < namespace.length(); at++) {
            char c = namespace.charAt(at);
            isValid =
                    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || "._-".indexOf(c) >= 0;
        }
        if (!isValid) {
            throw Reason.INVALID.because(
                    "the namespace must be 1 to 64 characters of A-Z a-z 0-9 . _ -: " + shown(namespace));
        }
    }

    /**
     * Requires a valid agent_id.
     *
     * @throws StateException INVALID
     */
    public static void requireAgentId(String agentId) {
        requireText("agent_id", agentId, MAX_AGENT_BYTES);
    }

    private static void requireText(String what, String text, int maxBytes) {
        if (text.isEmpty()) {
            throw Reason.INVALID.because(what + " is empty");
        }
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            if (Character.isISOControl(c)) {
                throw Reason.INVALID.because("%s has a control character, U+%04X, at %d".formatted(what, (int) c, at));
            }
            if (Character.isSurrogate(c)) {
                if (!Character.isSurrogatePair(c, at + 1 < text.length() ? text.charAt(at + 1) : ' ')) {
                    throw Reason.INVALID.because(what + " is not valid UTF-8: half of a surrogate pair at " + at);
                }
                at++;
            }
        }
        if (text.length() * 3 > maxBytes && utf8(text).length > maxBytes) {
            throw Reason.INVALID.because(
                    what + " is longer than " + maxBytes + " bytes of UTF-8: " + utf8(text).length);
        }
    }

    /** Quotes a caller's text, shortened and without control characters. */
    private static String shown(String text) {
        StringBuilder shown = new StringBuilder("'");
        text.codePoints().limit(80).forEach(c -> shown.appendCodePoint(Character.isISOControl(c) ? '\uFFFD' : c));
        return shown.append('\'').toString();
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Returns the number of bytes in UTF-8. */
    static long utf8Length(String text) {
        long bytes = text.length();
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            bytes += c < 0x80 ? 0 : c < 0x800 || Character.isSurrogate(c) ? 1 : 2;
        }
        return bytes;
    }

    /**
     * Compares texts by their bytes in UTF-8. This is the order of their code points, and differs from the order of
     * {@link String#compareTo}.
     */
    public static int compareBytes(String a, String b) {
        int length = Math.min(a.length(), b.length());
        for (int at = 0; at < length; at++) {
            char x = a.charAt(at);
            char y = b.charAt(at);
            if (x != y) {
                // as characters, surrogates are below U+E000, but the code points that they encode are above it
                return Boolean.compare(Character.isSurrogate(x), Character.isSurrogate(y)) == 0
                        ? Character.compare(x, y)
                        : Character.isSurrogate(x) ? 1 : -1;
            }
        }
        return Integer.compare(a.length(), b.length());
    }

    @Override
    public int compareTo(StateKey other) {
        return ORDER.compare(this, other);
    }

    @Override
    public String toString() {
        return namespace + "/" + agentId + "/" + name;
    }
}
