// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.http.Answer.Header;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufUtil;
import io.netty.handler.codec.http.HttpResponseStatus;

/**
 * Answers as they go over the wire, head and body in one buffer, which one call to the system sends. Names and values of headers are all
 * our own, in ASCII.
 */
final class AnswerBytes {
    private static final int HEAD_BYTES = 256;
    private static final String VERSION = "HTTP/1.1 ";
    private static final String LINE_END = "\r\n";

    private AnswerBytes() {}

    /** What tells a client to go on and send its body. */
    static ByteBuf goOn(ByteBufAllocator allocator) {
        return append(allocator.ioBuffer(HEAD_BYTES), VERSION + HttpResponseStatus.CONTINUE + LINE_END + LINE_END);
    }

    /**
     * An answer in the frame of its connection.
     *
     * @param date for the header of that name
     */
    static ByteBuf of(ByteBufAllocator allocator, Exchange exchange, Answer answer, String date) {
        byte[] body = answer.body();
        ByteBuf bytes = allocator.ioBuffer(HEAD_BYTES + body.length);
        append(bytes, VERSION);
        append(bytes, HttpResponseStatus.valueOf(answer.status()).toString());
        header(bytes, "Content-Type", answer.contentType());
        header(bytes, "Content-Length", Integer.toString(body.length));
        header(bytes, "Date", date);
        for (Header header : answer.headers()) {
            header(bytes, header.name(), header.value());
        }
        if (exchange.isLast()) {
            header(bytes, "Connection", "close");
        } else if (exchange.isHttp10()) {
            header(bytes, "Connection", "keep-alive");
        }
        append(bytes, LINE_END + LINE_END);
        return exchange.isHead() ? bytes : bytes.writeBytes(body);
    }

    private static void header(ByteBuf bytes, String name, String value) {
        append(bytes, LINE_END);
        append(bytes, name);
        append(bytes, ": ");
        append(bytes, value);
    }

    private static ByteBuf append(ByteBuf bytes, String ascii) {
        ByteBufUtil.writeAscii(bytes, ascii);
        return bytes;
    }
}
