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
 * The requests of a connection that wait for their answers, in the order in which the answers go out, whenever they come.
 * Owned by the event loop.
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

    /** What the bodies of those that wait take. */
    long heldBytes() {
        long bytes = 0;
        for (Exchange exchange : waiting) {
            bytes += exchange.heldBytes();
        }
        return bytes;
    }

    /** Whether there is an answer that only the client keeps from going out. */
    boolean hasUntaken() {
        Exchange next = waiting.peek();
        return untaken > 0 || (next != null && next.isAnswered());
    }

    /** The connection is gone: nothing is kept for it. */
    void release() {
        waiting.forEach(Exchange::discard);
        waiting.clear();
    }

    /**
     * Writes, without flushing, the answers whose turn has come, as long as the network takes them: what waits here may be
     * shared, what was written is a copy.
     *
     * @param written told of each answer when the network has taken it
     * @return the write of the connection's last answer, if that was among them
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
     * Answers as they go over the wire, head and body in one buffer, which one call to the system sends. Names and values of headers are all
     * our own, in ASCII.
     */
    private static final class AnswerBytes {
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

    /** The {@code Date} of an answer, formatted once a second. Owned by one event loop. */
    static final class DateHeader {
        /** IMF-fixdate; the JDK's own RFC 1123 format leaves out the zero of a one-digit day. */
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
