// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Answer.Header;
import dev.flk.http.ServerLoad.Bound;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
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
 * The requests of one connection that still wait for their answers to be written, in order. Answers are written in the
 * order of the requests, even if later answers are available first. Used only on the event loop of the connection.
 */
final class AnswerOrder {
    private static final int HEAD_BYTES = 256;
    /** The maximum length of the framing of a chunk: 8 hexadecimal digits and two line ends. */
    private static final int CHUNK_FRAME_BYTES = 12;

    private static final String LAST_CHUNK = "0\r\n\r\n";
    private static final String VERSION = "HTTP/1.1 ";
    private static final String LINE_END = "\r\n";

    private final Deque<Exchange> waiting = new ArrayDeque<>();
    /** The bounds against which the written answers and chunks count that the network has not accepted yet. */
    private final Deque<Bound> untaken = new ArrayDeque<>();

    /** Whether the head of the event stream has been written. */
    private boolean streamBegun;

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

    /** Returns the memory that the bodies of the waiting requests hold, in bytes. */
    long heldBytes() {
        long bytes = 0;
        for (Exchange exchange : waiting) {
            bytes += exchange.heldBytes();
        }
        return bytes;
    }

    /** Returns whether an available answer still waits for the network, usually because the client does not read. */
    boolean hasUntaken() {
        Exchange next = waiting.peek();
        return hasUnsent() || (next != null && next.isAnswered() && next.stream() == null);
    }

    /** Returns whether the network has yet to accept some of the written bytes. */
    boolean hasUnsent() {
        return !untaken.isEmpty();
    }

    /**
     * Returns whether an available answer still waits for the network and counts against a bound of which more than
     * half is held.
     */
    boolean holdsScarceMemory() {
        for (Bound budget : untaken) {
            if (budget.isShort()) {
                return true;
            }
        }
        Exchange next = waiting.peek();
        return next != null
                && next.isAnswered()
                && next.stream() == null
                && next.answerBudget().isShort();
    }

    /** Returns the event stream that is the last answer of this connection; empty if no stream was opened. */
    Optional<EventStream> stream() {
        Exchange last = waiting.peekLast();
        return Optional.ofNullable(last == null ? null : last.stream());
    }

    /** Returns whether the last answer of this connection is an event stream, and all earlier answers are written. */
    boolean isStreaming() {
        return waiting.size() == 1 && stream().isPresent();
    }

    /**
     * Drops the answers of all requests after {@code last}. The answer to {@code last} is an event stream, after which
     * no answer can follow.
     */
    void dropAfter(Exchange last) {
        while (waiting.peekLast() != last) {
            waiting.removeLast().discard();
        }
    }

    /**
     * Drops the answers of all waiting requests: existing answers now, and later answers as soon as they are given.
     * Called when the connection is closed.
     */
    void release() {
        waiting.forEach(Exchange::discard);
        waiting.clear();
    }

    /**
     * Writes, without flushing, the answers that are next in order, until an answer is missing or the network accepts
     * no more. A body is copied only when its answer is written. Several waiting answers may share one body, so earlier
     * copies would use memory for each answer.
     *
     * @param isComplete whether no further request will be read; if so, the connection closes after the last answer
     * @param written a listener that is notified when the network has accepted an answer or a chunk, or the write has
     *     failed
     * @return the write of the connection's last answer; empty if the last answer was not written
     */
    Optional<ChannelFuture> write(ChannelHandlerContext context, boolean isComplete, ChannelFutureListener written) {
        for (Exchange next = waiting.peek(); next != null && context.channel().isWritable(); next = waiting.peek()) {
            Answer answer = next.answer();
            if (answer == null) {
                return Optional.empty();
            }
            EventStream stream = next.stream();
            if (stream != null) {
                return writeStream(context, next, stream, written);
            }
            waiting.remove();
            boolean isLast = isComplete && waiting.isEmpty();
            ByteBuf bytes = encode(context.alloc(), next, answer, isLast);
            ChannelFuture write = write(context, bytes, next.answerBudget(), next::answerTaken, written);
            events.answered(answer.status());
            if (isLast) {
                return Optional.of(write);
            }
        }
        return Optional.empty();
    }

    /** Writes the head of a stream, unless it is already written, and the queued chunks. */
    private Optional<ChannelFuture> writeStream(
            ChannelHandlerContext context, Exchange exchange, EventStream stream, ChannelFutureListener written) {
        if (!streamBegun) {
            streamBegun = true;
            write(
                    context,
                    encode(context.alloc(), exchange, stream.head(), true),
                    exchange.answerBudget(),
                    exchange::answerTaken,
                    written);
            events.answered(stream.head().status());
        }
        while (context.channel().isWritable()) {
            byte[] chunk = stream.poll();
            if (chunk != null) {
                ByteBuf bytes = encode(context.alloc(), exchange, chunk);
                write(context, bytes, stream.memory(), () -> stream.accepted(chunk), written);
            } else if (stream.isComplete()) {
                waiting.remove();
                boolean hasLastChunk = !exchange.isHead() && !exchange.isHttp10();
                ByteBuf end =
                        hasLastChunk ? ByteBufUtil.writeAscii(context.alloc(), LAST_CHUNK) : Unpooled.EMPTY_BUFFER;
                return Optional.of(write(context, end, stream.memory(), () -> {}, written));
            } else {
                break;
            }
        }
        return Optional.empty();
    }

    /**
     * @param budget the bound against which the bytes count
     * @param accepted an action that runs when the network has accepted the bytes, or the connection is closed
     */
    private ChannelFuture write(
            ChannelHandlerContext context,
            ByteBuf bytes,
            Bound budget,
            Runnable accepted,
            ChannelFutureListener written) {
        untaken.add(budget);
        return context.write(bytes)
                .addListener(done -> {
                    untaken.remove(budget);
                    accepted.run();
                })
                .addListener(written);
    }

    /** Writes, without flushing, a {@code 100 Continue}, which asks the client to send its body. */
    void writeContinue(ChannelHandlerContext context, ChannelFutureListener written) {
        ByteBuf bytes = context.alloc().ioBuffer(HEAD_BYTES);
        append(bytes, VERSION + HttpResponseStatus.CONTINUE + LINE_END + LINE_END);
        context.write(bytes).addListener(written);
    }

    /**
     * Encodes an answer, including the headers that the server adds. Head and body share one buffer, so that one system
     * call sends both. All header names and values are ASCII without line ends: an endpoint must encode any text of a
     * client in them.
     */
    private ByteBuf encode(ByteBufAllocator allocator, Exchange exchange, Answer answer, boolean isLast) {
        byte[] body = answer.body();
        ByteBuf bytes = allocator.ioBuffer(HEAD_BYTES + body.length);
        append(bytes, VERSION);
        append(bytes, HttpResponseStatus.valueOf(answer.status()).toString());
        appendHeader(bytes, "Content-Type", answer.contentType());
        if (exchange.stream() == null) {
            appendHeader(bytes, "Content-Length", Integer.toString(body.length));
        }
        appendHeader(bytes, "Date", date.now());
        for (Header header : answer.headers()) {
            appendHeader(bytes, header.name(), header.value());
        }
        if (isLast) {
            appendHeader(bytes, "Connection", "close");
        } else if (exchange.isHttp10()) {
            appendHeader(bytes, "Connection", "keep-alive");
        }
        append(bytes, LINE_END + LINE_END);
        return exchange.isHead() ? bytes : bytes.writeBytes(body);
    }

    /** Encodes a chunk of a stream. The chunk has no framing if the client uses HTTP/1.0. */
    private static ByteBuf encode(ByteBufAllocator allocator, Exchange exchange, byte[] chunk) {
        ByteBuf bytes = allocator.ioBuffer(chunk.length + CHUNK_FRAME_BYTES);
        if (exchange.isHttp10()) {
            return bytes.writeBytes(chunk);
        }
        append(bytes, Integer.toHexString(chunk.length));
        append(bytes, LINE_END);
        bytes.writeBytes(chunk);
        append(bytes, LINE_END);
        return bytes;
    }

    private static void appendHeader(ByteBuf bytes, String name, String value) {
        append(bytes, LINE_END);
        append(bytes, name);
        append(bytes, ": ");
        append(bytes, value);
    }

    private static void append(ByteBuf bytes, String ascii) {
        ByteBufUtil.writeAscii(bytes, ascii);
    }

    /** The value of the {@code Date} header, formatted at most once a second. Used only on one event loop. */
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
