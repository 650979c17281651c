// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.config.HttpConfig;
import dev.flk.backend.config.HttpConfig.Login;
import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Outcome;
import dev.flk.backend.ingest.Submission;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.metrics.Meters;
import dev.flk.certificate.PcsId;
import dev.flk.http.ServerLoad;
import dev.flk.program.config.Secret;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.http.HttpRequest;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The server's own handlers on a connection without a socket: bytes go in piece by piece, then the client shuts down its side; what
 * ingest got and what went out is kept. One thread does everything.
 */
final class FuzzedConnection {
    static final int MAX_BODY_BYTES = 200;
    static final int MAX_BATCH_LINES = 4;
    static final int MAX_BATCH_BYTES = 300;

    private static final long HEAP_BYTES = 64 << 20;
    private static final Duration LONG = Duration.ofMinutes(10);
    private static final Meters METERS = new Meters("test");
    private static final HttpConfig CONFIG = new HttpConfig(
            0,
            "127.0.0.1",
            MAX_BODY_BYTES,
            MAX_BATCH_LINES,
            MAX_BATCH_BYTES,
            10,
            1000,
            LONG,
            LONG,
            LONG,
            new Login("operator", new Secret("a password that nobody guesses")));

    private BackendServer server;
    private final KeepingIngest ingest;
    private final DuplexEmbeddedChannel channel = new DuplexEmbeddedChannel();
    private final List<Throwable> uncaught = new ArrayList<>();
    private int requests;

    /** When ingest answers. */
    enum Answering {
        AT_ONCE,
        /** When all has been read, the last that came first. */
        AT_THE_END
    }

    /**
     * What became of the bytes.
     *
     * @param submitted bodies that ingest got, in their order
     * @param answers each whole, in their order, without those that only say to go on; the last one without its {@code Connection},
     *     which depends on whether the end of input was known when it was written
     */
    record Seen(List<String> submitted, List<String> answers) {}

    private FuzzedConnection(Answering answering) {
        ingest = new KeepingIngest(answering);
    }

    /** Sends the pieces one after the other. */
    static Seen send(List<byte[]> pieces, Answering answering) {
        return new FuzzedConnection(answering).run(pieces);
    }

    private final Limits limits =
            new Limits(new Limits.Sizes(BigDecimal.ONE, 1, null, BigDecimal.ZERO, 1, 10), () -> 0, METERS);

    private Seen run(List<byte[]> pieces) {
        server = new BackendServer(
                new BackendServer.Parts(
                        CONFIG, ingest, List::of, Optional::empty, METERS, () -> Instant.EPOCH, () -> 0, Duration.ZERO),
                false,
                null,
                limits,
                HEAP_BYTES);
        server.server().serve(channel, server.door());
        channel.pipeline().addAfter(channel.pipeline().firstContext().name(), null, new Counting());
        channel.pipeline().addLast(new Last());
        List<ByteBuf> buffers = new ArrayList<>();
        for (byte[] piece : pieces) {
            if (piece.length > 0 && channel.isActive()) {
                ByteBuf bytes = Unpooled.copiedBuffer(piece);
                buffers.add(bytes);
                channel.writeInbound(bytes);
                channel.runPendingTasks();
            }
        }
        endOfInput();
        List<String> answers = answers();
        assertThat(channel.isOpen()).as("still open at the end").isFalse();
        assertNothingIsHeld();
        assertThat(buffers).as("buffers, when all is over").allMatch(buffer -> buffer.refCnt() == 0);
        assertThat(uncaught).isEmpty();
        channel.checkException();
        server.close();
        assertThat(answers)
                .as("answers to what the decoder took for %d requests", requests)
                .hasSizeLessThanOrEqualTo(requests);
        return new Seen(ingest.bodies, answers);
    }

    private void endOfInput() {
        channel.pipeline().fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
        channel.runPendingTasks();
        while (ingest.answerOne()) {
            channel.runPendingTasks();
        }
    }

    private void assertNothingIsHeld() {
        ServerLoad load = server.server().load();
        assertThat(List.of(
                        load.connections().held(),
                        load.requests().held(),
                        load.bodyBytes().held(),
                        load.answerBytes().held()))
                .as("connections, requests, bytes of bodies and of answers that count when all is over")
                .containsOnly(0L);
    }

    /** One write is one answer. */
    private List<String> answers() {
        List<String> answers = new ArrayList<>();
        for (ByteBuf next = channel.readOutbound(); next != null; next = channel.readOutbound()) {
            String answer = next.toString(StandardCharsets.ISO_8859_1);
            next.release();
            if (!answer.equals("HTTP/1.1 100 Continue\r\n\r\n")) {
                answers.add(answer);
            }
        }
        if (!answers.isEmpty()) {
            String last = answers.remove(answers.size() - 1);
            answers.add(last.replaceFirst("Connection: (close|keep-alive)\r\n", ""));
        }
        return answers;
    }

    /** Between the decoder and the connection. */
    private final class Counting extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            requests += message instanceof HttpRequest ? 1 : 0;
            context.fireChannelRead(message);
        }
    }

    /** Nothing gets here. */
    private final class Last extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            uncaught.add(new AssertionError("went through all handlers: " + message));
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            uncaught.add(cause);
        }
    }

    /** Keeps bodies, and answers each with itself. */
    private static final class KeepingIngest implements Ingest {
        private final Answering answering;
        private final List<String> bodies = new ArrayList<>();
        private final Deque<Submission> waiting = new ArrayDeque<>();

        KeepingIngest(Answering answering) {
            this.answering = answering;
        }

        @Override
        public void submit(List<Submission> turn) {
            for (Submission submission : turn) {
                bodies.add(new String(submission.body().get(), StandardCharsets.ISO_8859_1));
                switch (answering) {
                    case AT_ONCE -> submission.answer().accept(echo(submission));
                    case AT_THE_END -> waiting.push(submission);
                }
            }
        }

        boolean answerOne() {
            Submission next = waiting.poll();
            if (next != null) {
                next.answer().accept(echo(next));
            }
            return next != null;
        }

        /** With the body in hex, which is a JSON string whatever it says. */
        private static Outcome echo(Submission submission) {
            return ScriptedIngest.echo(PlainRequests.hex(submission.body().get()));
        }

        @Override
        public void lookUp(PcsId id, Consumer<Optional<Outcome>> answer) {
            answer.accept(Optional.empty());
        }
    }

    /** Cuts {@code bytes} before each of these places. */
    static List<byte[]> cut(byte[] bytes, int... places) {
        int[] sorted = Arrays.stream(places).sorted().distinct().toArray();
        List<byte[]> pieces = new ArrayList<>();
        int from = 0;
        for (int place : sorted) {
            if (place > from && place < bytes.length) {
                pieces.add(Arrays.copyOfRange(bytes, from, place));
                from = place;
            }
        }
        pieces.add(Arrays.copyOfRange(bytes, from, bytes.length));
        return pieces;
    }

    /** A channel without a socket whose output can be shut down, as a socket's can. */
    private static final class DuplexEmbeddedChannel extends EmbeddedChannel implements DuplexChannel {
        private boolean outputShutdown;

        @Override
        public boolean isInputShutdown() {
            return false;
        }

        @Override
        public ChannelFuture shutdownInput() {
            return shutdownInput(newPromise());
        }

        @Override
        public ChannelFuture shutdownInput(ChannelPromise promise) {
            throw new UnsupportedOperationException("the server never does that");
        }

        @Override
        public boolean isOutputShutdown() {
            return outputShutdown;
        }

        @Override
        public ChannelFuture shutdownOutput() {
            return shutdownOutput(newPromise());
        }

        @Override
        public ChannelFuture shutdownOutput(ChannelPromise promise) {
            outputShutdown = true;
            return promise.setSuccess();
        }

        @Override
        public boolean isShutdown() {
            return !isOpen();
        }

        @Override
        public ChannelFuture shutdown() {
            return shutdown(newPromise());
        }

        @Override
        public ChannelFuture shutdown(ChannelPromise promise) {
            throw new UnsupportedOperationException("the server never does that");
        }
    }
}
