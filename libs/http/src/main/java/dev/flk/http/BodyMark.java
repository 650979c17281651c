// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.handler.codec.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The mark of an answer that refuses a body for good. The mark proves to the sender that the answer is the server's, and
 * that the server has received the bytes that were sent. Without the mark, the answer may come from a proxy, or may concern a body that a proxy has cut or changed.
 *
 * <p>A client requests marks with the header {@code Content-Digest} (RFC 9530). Requests without this header, or with
 * digests of other algorithms only, get answers without a mark.
 *
 * <table>
 * <caption>Members of the JSON object in the answer</caption>
 * <tr><td>{@code body_sha256}</td><td>the SHA-256 of the received body, in lower-case hex</td></tr>
 * <tr><td>{@code body_bytes}</td><td>only if the body was refused unread because of its declared length: that length.
 * {@code body_sha256} is then the declared digest</td></tr>
 * </table>
 */
public final class BodyMark {
    /** The request header with the digest of the body. */
    public static final String HEADER = "Content-Digest";

    /** The member of the answer with the digest of the body. */
    public static final String SHA256 = "body_sha256";

    /** The member of the answer with the declared length of the body. */
    public static final String BYTES = "body_bytes";

    private static final Pattern MEMBER = Pattern.compile("(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/]{43}=):");

    private BodyMark() {}

    /** Returns the value of the request header for a body with this SHA-256. */
    public static String header(byte[] sha256) {
        return "sha-256=:" + Base64.getEncoder().encodeToString(sha256) + ":";
    }

    /** Returns a JSON object with the mark of a body that was received. */
    public static byte[] added(byte[] object, byte[] sha256) {
        return added(object, sha256, "");
    }

    /** Returns a JSON object with the mark of a body that was refused unread because of its declared length. */
    static byte[] addedUnread(byte[] object, byte[] declaredSha256, long declaredBytes) {
        return added(object, declaredSha256, ",\"" + BYTES + "\":" + declaredBytes);
    }

    private static byte[] added(byte[] object, byte[] sha256, String more) {
        byte[] end = (",\"" + SHA256 + "\":\"" + HexFormat.of().formatHex(sha256) + "\"" + more + "}")
                .getBytes(StandardCharsets.US_ASCII);
        int length = object.length - 1;
        byte[] marked = Arrays.copyOf(object, length + end.length);
        System.arraycopy(end, 0, marked, length, end.length);
        return marked;
    }

    /** Returns the SHA-256 that a request declares for its body; empty if it declares none. */
    static Optional<byte[]> declared(HttpHeaders headers) {
        Matcher member = MEMBER.matcher(String.join(",", headers.getAll(HEADER)));
        return member.find() ? Optional.of(Base64.getDecoder().decode(member.group(1))) : Optional.empty();
    }
}
