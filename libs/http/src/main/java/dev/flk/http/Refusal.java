// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Answer.Header;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;

/**
 * The answers to requests that fail because of an error in HTTP or a problem of the server. Most of these requests
 * never reach an endpoint.
 */
public final class Refusal {
    private Refusal() {}

    static Answer badRequest(String error) {
        return Answer.error(400, error);
    }

    /** Returns the answer to a request for an unknown path. */
    public static Answer notFound() {
        return Answer.error(404, "not found");
    }

    /** @param allow the methods of the resource, separated by commas */
    static Answer methodNotAllowed(String allow) {
        return Answer.error(405, "method not allowed", new Header("Allow", allow));
    }

    static Answer tooSlow() {
        return Answer.error(408, "request timed out", Header.retryAfter(1));
    }

    /**
     * Returns the answer to a request whose body the client has ended before its declared end. The status is 408,
     * because a 400 would say that the content itself can never be accepted.
     */
    static Answer bodyCut() {
        return Answer.error(408, "the body ended too early", Header.retryAfter(1));
    }

    /** Returns the answer to a request whose body differs from the body that was sent. See {@link #bodyCut}. */
    static Answer bodyChanged() {
        return Answer.error(
                408,
                "the body does not have the digest in Content-Digest; something in between has changed it",
                Header.retryAfter(1));
    }

    /** Returns the answer to a request whose body is longer than {@code maxBytes}. */
    public static Answer bodyTooLong(int maxBytes) {
        return Answer.error(413, tooLong(maxBytes));
    }

    /** Returns the error text for a body longer than {@code maxBytes}. */
    public static String tooLong(int maxBytes) {
        return "body over " + maxBytes + " bytes";
    }

    static Answer compressed() {
        return Answer.error(415, "Content-Encoding is not supported, send the body as it is");
    }

    /**
     * Returns the answer to an unsupported transfer coding. The status is 501, because a 400 would tell the client that
     * the content itself can never be accepted.
     */
    static Answer unknownTransferCoding() {
        return Answer.error(501, "transfer coding not supported, use chunked");
    }

    static Answer unknownVersion() {
        return Answer.error(505, "HTTP version not supported");
    }

    /** Returns the answer to a request that could not be read as HTTP/1. */
    static Answer malformed(Throwable cause) {
        if (cause instanceof TooLongHttpLineException) {
            return Answer.error(414, "request line too long");
        }
        if (cause instanceof TooLongHttpHeaderException) {
            return Answer.error(431, "header too large");
        }
        return badRequest("malformed HTTP request");
    }

    /** Returns the answer to a request for which there are too few resources at present. */
    public static Answer overloaded() {
        return Answer.error(503, "overloaded", Header.retryAfter(1));
    }

    static Answer tooManyStreams() {
        return Answer.error(503, "too many event streams", Header.retryAfter(10));
    }

    /** Returns the answer to an internal failure. The details are logged, but not disclosed to clients. */
    static Answer internalError() {
        return Answer.error(500, "internal error");
    }
}
