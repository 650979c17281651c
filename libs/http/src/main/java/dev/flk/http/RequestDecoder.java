// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongSupplier;

/**
 * Netty's request decoder with three extensions. It reports the time at which an incomplete header began to arrive, so
 * that {@link Connection} can reject slow headers. It decodes nothing while the connection reads nothing, so that
 * received bytes cost neither time nor objects before their turn. It also rejects ambiguous heads, which Netty accepts
 * but a proxy in front of the server may interpret differently: a header line that continues on the next line after a
 * space (obs-fold, RFC 9112 section 5.2), a space before the first header, and anything but one space between the three
 * parts of the request line (section 3). Used only on the event loop of the connection.
 */
final class RequestDecoder extends HttpRequestDecoder {
    private static final int MAX_REQUEST_LINE_BYTES = 8 << 10;
    private static final int MAX_HEADER_BYTES = 16 << 10;
    private static final byte[] VERSION = {'H', 'T', 'T', 'P', '/'};
    /** The length of {@code HTTP/1.1}. */
    private static final int VERSION_BYTES = VERSION.length + 3;

    private static final DecoderResult AMBIGUOUS =
            DecoderResult.failure(new IllegalArgumentException("the request head is ambiguous"));

    private final LongSupplier nanoTicker;
    private boolean insideRequest;
    private boolean requestLineSeen;
    /** Whether one of the lines checked so far in the current head is ambiguous. */
    private boolean ambiguous;

    private OptionalLong headerSinceNanos = OptionalLong.empty();
    private boolean paused;
    private boolean inputEnded;

    RequestDecoder(LongSupplier nanoTicker) {
        super(new HttpDecoderConfig()
                .setMaxInitialLineLength(MAX_REQUEST_LINE_BYTES)
                .setMaxHeaderSize(MAX_HEADER_BYTES));
        this.nanoTicker = nanoTicker;
    }

    /**
     * Returns the time at which the first byte of the incomplete header arrived; empty between requests and inside
     * bodies.
     */
    OptionalLong headerSinceNanos() {
        return headerSinceNanos;
    }

    /** Leaves the received bytes undecoded until {@link #resume}. */
    void pause() {
        paused = true;
    }

    /** Decodes the bytes that were received meanwhile. Must not be called while a message is passed on. */
    void resume(ChannelHandlerContext context) throws Exception {
        paused = false;
        if (actualReadableBytes() > 0) {
            channelRead(context, Unpooled.EMPTY_BUFFER);
        }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) throws Exception {
        // Netty decodes the remaining bytes now and then releases them
        inputEnded |= event instanceof ChannelInputShutdownEvent;
        super.userEventTriggered(context, event);
    }

    @Override
    protected void decode(ChannelHandlerContext context, ByteBuf in, List<Object> out) throws Exception {
        if (paused && !inputEnded) {
            return;
        }
        if (!insideRequest && headerSinceNanos.isEmpty() && hasMoreThanSpace(in)) {
            headerSinceNanos = OptionalLong.of(nanoTicker.getAsLong());
        }
        if (!insideRequest) {
            checkLines(in);
        }
        int before = out.size();
        super.decode(context, in, out);
        for (Object decoded : out.subList(before, out.size())) {
            if (decoded instanceof HttpRequest request) {
                if (ambiguous && request.decoderResult().isSuccess()) {
                    request.setDecoderResult(AMBIGUOUS);
                }
                insideRequest = true;
                headerSinceNanos = OptionalLong.empty();
            }
            if (decoded instanceof LastHttpContent) {
                insideRequest = false;
            }
        }
    }

    /**
     * Returns whether the bytes contain more than spaces and control characters such as line ends, and thus begin a
     * request. Old clients send an empty line between requests.
     */
    private static boolean hasMoreThanSpace(ByteBuf in) {
        return in.forEachByte(b -> b >= 0 && b <= ' ') >= 0;
    }

    /**
     * Checks the complete lines that the decoder is about to consume, up to the end of the head. The first line begins
     * at the reader index. An incomplete line is checked when its end has arrived.
     */
    private void checkLines(ByteBuf in) {
        int start = in.readerIndex();
        for (int end = lineEnd(in, start); end >= 0; end = lineEnd(in, start)) {
            int last = end > start && in.getByte(end - 1) == '\r' ? end - 1 : end;
            if (last == start) {
                if (requestLineSeen) {
                    requestLineSeen = false;
                    return;
                }
            } else if (requestLineSeen) {
                ambiguous |= in.getByte(start) == ' ' || in.getByte(start) == '\t';
            } else {
                requestLineSeen = true;
                ambiguous = !isRequestLine(in, start, last);
            }
            start = end + 1;
        }
    }

    private static int lineEnd(ByteBuf in, int start) {
        return in.indexOf(start, in.writerIndex(), (byte) '\n');
    }

    private static boolean isRequestLine(ByteBuf in, int start, int end) {
        int first = in.indexOf(start, end, (byte) ' ');
        int second = first < 0 ? -1 : in.indexOf(first + 1, end, (byte) ' ');
        return first > start
                && second > first + 1
                && isVersion(in, second + 1, end)
                && in.forEachByte(start, end - start, b -> b >= ' ' || b < 0) < 0;
    }

    private static boolean isVersion(ByteBuf in, int start, int end) {
        if (end - start != VERSION_BYTES) {
            return false;
        }
        for (int i = 0; i < VERSION.length; i++) {
            if (in.getByte(start + i) != VERSION[i]) {
                return false;
            }
        }
        return isDigit(in.getByte(end - 3)) && in.getByte(end - 2) == '.' && isDigit(in.getByte(end - 1));
    }

    private static boolean isDigit(byte character) {
        return character >= '0' && character <= '9';
    }

    /** The head of a request, with methods that show how the request must be read and answered. */
    record RequestHead(HttpRequest request) {

        /**
         * Returns the answer that rejects the request if it can't be served; otherwise, returns empty. After
         * a rejection, no further request is read.
         */
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

        String target() {
            return request.uri();
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

        /** Returns the announced length of the body; -1 if the body is chunked, 0 if the request has no body. */
        long declaredBytes() {
            return HttpUtil.isTransferEncodingChunked(request) ? -1 : HttpUtil.getContentLength(request, 0L);
        }

        /** Returns whether the body is not compressed. */
        boolean isBodyPlain() {
            String codings = String.join(",", headers().getAll(HttpHeaderNames.CONTENT_ENCODING));
            return codings.isBlank() || codings.strip().equalsIgnoreCase("identity");
        }
    }
}
