// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Answer.Header;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;

/** The answers to requests that never reach an endpoint: what is wrong with them as HTTP, or with the server. */
public final class Refusal {
    private Refusal() {}

    static Answer badRequest(String error) {
        return Answer.error(400, error);
    }

    /** There is nothing at this path. */
    public static Answer notFound() {
        return Answer.error(404, "not found");
    }

    /** @param allow the methods that the resource has, comma-separated */
    static Answer methodNotAllowed(String allow) {
        return Answer.error(405, "method not allowed", new Header("Allow", allow));
    }

    static Answer tooSlow() {
        return Answer.error(408, "request timed out", Header.retryAfter(1));
    }

    /** The body is longer than it may be. */
    public static Answer bodyTooLong(int maxBytes) {
        return Answer.error(413, tooLong(maxBytes));
    }

    /** The error text for something over a limit in bytes. */
    public static String tooLong(int maxBytes) {
        return "body over " + maxBytes + " bytes";
    }

    static Answer compressed() {
        return Answer.error(415, "Content-Encoding is not supported, send the body as it is");
    }

    /** Not a 400, which would say that what was sent can never succeed. */
    static Answer unknownTransferCoding() {
        return Answer.error(501, "transfer coding not supported, use chunked");
    }

    static Answer unknownVersion() {
        return Answer.error(505, "HTTP version not supported");
    }

    /** For a request that could not be read as HTTP/1. */
    static Answer malformed(Throwable cause) {
        if (cause instanceof TooLongHttpLineException) {
            return Answer.error(414, "request line too long");
        }
        if (cause instanceof TooLongHttpHeaderException) {
            return Answer.error(431, "header too large");
        }
        return badRequest("malformed HTTP request");
    }

    /** For what there is no room for just now. */
    public static Answer overloaded() {
        return Answer.error(503, "overloaded", Header.retryAfter(1));
    }

    /** For a failure of our own; what failed is in the log and no stranger's business. */
    static Answer internalError() {
        return Answer.error(500, "internal error");
    }
}
