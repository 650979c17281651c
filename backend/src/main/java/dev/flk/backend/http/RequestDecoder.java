// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.LastHttpContent;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.LongSupplier;

/**
 * Netty's decoder, which also tells since when a header has been coming in, so that a slow one can be refused, and takes no
 * head that can be read in two ways.
 */
final class RequestDecoder extends HttpRequestDecoder {
    private static final int MAX_REQUEST_LINE_BYTES = 8 << 10;
    private static final int MAX_HEADER_BYTES = 16 << 10;
    private static final DecoderResult AMBIGUOUS =
            DecoderResult.failure(new IllegalArgumentException("a head that can be read in two ways"));

    private final LongSupplier nanoTicker;
    private final HeadLines head = new HeadLines();
    private boolean insideRequest;
    private OptionalLong headerSinceNanos = OptionalLong.empty();

    RequestDecoder(LongSupplier nanoTicker) {
        super(new HttpDecoderConfig()
                .setMaxInitialLineLength(MAX_REQUEST_LINE_BYTES)
                .setMaxHeaderSize(MAX_HEADER_BYTES));
        this.nanoTicker = nanoTicker;
    }

    /** When the first byte of a header came whose end has not come yet; empty between requests and inside bodies. */
    OptionalLong headerSinceNanos() {
        return headerSinceNanos;
    }

    @Override
    protected void decode(ChannelHandlerContext context, ByteBuf in, List<Object> out) throws Exception {
        if (!insideRequest && headerSinceNanos.isEmpty() && hasMoreThanSpace(in)) {
            headerSinceNanos = OptionalLong.of(nanoTicker.getAsLong());
        }
        if (!insideRequest) {
            head.look(in);
        }
        int before = out.size();
        super.decode(context, in, out);
        for (Object decoded : out.subList(before, out.size())) {
            if (decoded instanceof HttpRequest request) {
                if (head.isAmbiguous() && request.decoderResult().isSuccess()) {
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

    /** An empty line between requests, which old clients send, begins nothing. */
    private static boolean hasMoreThanSpace(ByteBuf in) {
        return in.forEachByte(b -> b >= 0 && b <= ' ') >= 0;
    }
}
