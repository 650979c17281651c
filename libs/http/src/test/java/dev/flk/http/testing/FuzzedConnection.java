// SPDX-License-Identifier: Apache-2.0
package dev.flk.http.testing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.http.HttpServer;
import dev.flk.http.HttpServer.Listener;
import dev.flk.http.ServerLoad;
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
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;

/**
 * A connection to a server, without a socket: bytes go in piece by piece, then the client shuts down its side.
 * Everything runs on one thread. The class asserts that no request is answered twice, and that no memory is held at the
 * end.
 */
public final class FuzzedConnection {
    private final DuplexEmbeddedChannel channel = new DuplexEmbeddedChannel();
    private final List<Throwable> uncaught = new ArrayList<>();
    private final List<String> bodies = new ArrayList<>();
    private final Deque<Runnable> waiting = new ArrayDeque<>();
    private final Answering answering;
    private int requests;

    /** The time at which the endpoint answers. */
    public enum Answering {
        AT_ONCE,
        /** The endpoint answers after all input has been read, the last request first. */
        AT_THE_END
    }

    /**
     * The result of sending all pieces.
     *
     * @param submitted the bodies that reached the endpoint, in order
     * @param answers the complete answers in order, without {@code 100 Continue}. The last answer lacks its header
     *     {@code Connection}, which depends on whether the end of the input was known when the answer was written
     */
    public record Seen(List<String> submitted, List<String> answers) {}

    public FuzzedConnection(Answering answering) {
        this.answering = answering;
    }

    /** Records a body, and runs {@code answer} at once or at the end; called by the endpoint. */
    public void serve(byte[] body, Runnable answer) {
        bodies.add(new String(body, StandardCharsets.ISO_8859_1));
        switch (answering) {
            case AT_ONCE -> answer.run();
            case AT_THE_END -> waiting.push(answer);
        }
    }

    /** Sends the pieces one after the other. */
    public Seen send(HttpServer server, Listener door, List<byte[]> pieces) {
        server.serve(channel, door);
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
        channel.pipeline().fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
        channel.runPendingTasks();
        while (!waiting.isEmpty()) {
            waiting.pop().run();
            channel.runPendingTasks();
        }
        List<String> answers = answers();
        assertThat(channel.isOpen()).as("still open at the end").isFalse();
        ServerLoad load = server.load();
        assertThat(List.of(
                        load.connections().held(),
                        load.requests().held(),
                        load.bodyBytes().held(),
                        load.answerBytes().held()))
                .as("connections, requests, bytes of bodies and of answers that are held in the end")
                .containsOnly(0L);
        assertThat(buffers).as("buffers in the end").allMatch(buffer -> buffer.refCnt() == 0);
        assertThat(uncaught).isEmpty();
        channel.checkException();
        server.close();
        assertThat(answers).as("answers to %d decoded requests", requests).hasSizeLessThanOrEqualTo(requests);
        return new Seen(bodies, answers);
    }

    /** Returns the answers that were written; each write is one answer. */
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

    /** A handler that counts the requests that the decoder passes to the connection. */
    private final class Counting extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            requests += message instanceof HttpRequest ? 1 : 0;
            context.fireChannelRead(message);
        }
    }

    /** The last handler of the pipeline, which no message may reach. */
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

    /** Cuts {@code bytes} before each of these indexes. */
    public static List<byte[]> cut(byte[] bytes, int... places) {
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

    /** A channel that has no socket, but whose output can be shut down like the output of a socket. */
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
