// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Answer.Header;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufUtil;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http.HttpResponseStatus;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;
import java.util.Optional;

/**
 * The unanswered requests of a connection. Answers are written in the order of the requests, in whatever order they
 * become available. Owned by the event loop.
 */
final class AnswerOrder {
    private final Deque<Exchange> waiting = new ArrayDeque<>();
    private int untaken;
    private final DateHeader date;
    private final HttpEvents events;

    AnswerOrder(DateHeader date, HttpEvents events) {
        this.date = date;
        this.events = events;
    }

    void add(Exchange exchange) {
        waiting.add(exchange);
    }

    boolean isEmpty() {
        return waiting.isEmpty();
    }

    int size() {
        return waiting.size();
    }

    Optional<Exchange> last() {
        return Optional.ofNullable(waiting.peekLast());
    }

    /** Returns the bytes that the bodies of the waiting requests hold. */
    long heldBytes() {
        long bytes = 0;
        for (Exchange exchange : waiting) {
            bytes += exchange.heldBytes();
        }
        return bytes;
    }

    /** Returns whether an answer is complete and only the client delays its transmission. */
    boolean hasUntaken() {
        Exchange next = waiting.peek();
        return untaken > 0 || (next != null && next.isAnswered());
    }

    /** Releases everything held for the connection, which is closed. */
    void release() {
        waiting.forEach(Exchange::discard);
        waiting.clear();
    }

    /**
     * Writes, without flushing, the answers that are next in order, as long as the network accepts them. Answers that
     * still wait here may share their content; a written answer is a copy.
     *
     * @param written is notified of each answer that the network has accepted
     * @return the write of the connection's last answer, if it was among them
     */
    Optional<ChannelFuture> write(ChannelHandlerContext context, ChannelFutureListener written) {
        for (Exchange next = waiting.peek(); next != null && context.channel().isWritable(); next = waiting.peek()) {
            Answer answer = next.answer();
            if (answer == null) {
                if (next.wantsContinue()) {
                    next.setWantsContinue(false);
                    context.write(AnswerBytes.goOn(context.alloc())).addListener(written);
                }
                return Optional.empty();
            }
            waiting.remove();
            ChannelFuture write = write(context, next, answer).addListener(written);
            events.answered(answer.status());
            if (next.isLast()) {
                release();
                return Optional.of(write);
            }
        }
        return Optional.empty();
    }

    private ChannelFuture write(ChannelHandlerContext context, Exchange exchange, Answer answer) {
        untaken++;
        return context.write(AnswerBytes.of(context.alloc(), exchange, answer, date.now()))
                .addListener(taken -> {
                    untaken--;
                    exchange.answerTaken();
                });
    }

    /**
     * Encodes answers for the wire. Head and body share one buffer, so that one system call sends both. All names and
     * values of headers are our own and ASCII.
     */
    private static final class AnswerBytes {
        private static final int HEAD_BYTES = 256;
        private static final String VERSION = "HTTP/1.1 ";
        private static final String LINE_END = "\r\n";

        private AnswerBytes() {}

        /** Returns a {@code 100 Continue}, which asks the client to send its body. */
        static ByteBuf goOn(ByteBufAllocator allocator) {
            return append(allocator.ioBuffer(HEAD_BYTES), VERSION + HttpResponseStatus.CONTINUE + LINE_END + LINE_END);
        }

        /**
         * Encodes an answer with the headers of its connection.
         *
         * @param date the value of the {@code Date} header
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

    /** The {@code Date} of an answer, formatted once a second. Owned by one event loop. */
    static final class DateHeader {
        /** IMF-fixdate; the JDK's own RFC 1123 format omits the leading zero of a one-digit day. */
        private static final DateTimeFormatter FORMAT = DateTimeFormatter.ofPattern(
                        "EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.US)
                .withZone(ZoneOffset.UTC);

        private final InstantSource clock;
        private long second = Long.MIN_VALUE;
        private String text = "";

        DateHeader(InstantSource clock) {
            this.clock = clock;
        }

        String now() {
            Instant now = clock.instant();
            if (now.getEpochSecond() != second) {
                second = now.getEpochSecond();
                text = FORMAT.format(now);
            }
            return text;
        }
    }
}
