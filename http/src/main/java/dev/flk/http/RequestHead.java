// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import java.util.List;
import java.util.Optional;

/** The head of a request, as far as it determines how to read and answer the request. */
record RequestHead(HttpRequest request) {

    /** Returns the answer that rejects the request if it can't be served; nothing more is read then. */
    Optional<Answer> problem() {
        if (request.decoderResult().isFailure()) {
            return Optional.of(Refusal.malformed(request.decoderResult().cause()));
        }
        HttpVersion version = request.protocolVersion();
        if (version.majorVersion() != 1) {
            return Optional.of(Refusal.unknownVersion());
        }
        int hosts = headers().getAll(HttpHeaderNames.HOST).size();
        if (hosts > 1 || (hosts == 0 && version.minorVersion() > 0)) {
            return Optional.of(Refusal.badRequest("exactly one Host header is needed"));
        }
        List<String> codings = headers().getAll(HttpHeaderNames.TRANSFER_ENCODING);
        if (!codings.isEmpty()
                && !(codings.size() == 1 && HttpHeaderValues.CHUNKED.contentEqualsIgnoreCase(codings.get(0)))) {
            return Optional.of(Refusal.unknownTransferCoding());
        }
        return Optional.empty();
    }

    String path() {
        return Routes.path(request.uri());
    }

    String query() {
        return Routes.query(request.uri());
    }

    HttpMethod method() {
        return request.method();
    }

    HttpHeaders headers() {
        return request.headers();
    }

    boolean isHead() {
        return request.method().equals(HttpMethod.HEAD);
    }

    boolean isHttp10() {
        return request.protocolVersion().minorVersion() == 0;
    }

    boolean keepsAlive() {
        return HttpUtil.isKeepAlive(request);
    }

    /** Returns whether the client sends the body only after a {@code 100 Continue}. */
    boolean holdsBodyBack() {
        return HttpUtil.is100ContinueExpected(request) && declaredBytes() != 0;
    }

    /** Returns the announced length of the body; -1 if it is chunked, 0 if the request has no body. */
    long declaredBytes() {
        return HttpUtil.isTransferEncodingChunked(request) ? -1 : HttpUtil.getContentLength(request, 0L);
    }

    /** Returns whether the body is not compressed. */
    boolean isBodyPlain() {
        String codings = String.join(",", headers().getAll(HttpHeaderNames.CONTENT_ENCODING));
        return codings.isBlank() || codings.strip().equalsIgnoreCase("identity");
    }
}
