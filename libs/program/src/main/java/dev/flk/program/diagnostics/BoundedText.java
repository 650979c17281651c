// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow.Subscription;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A body in UTF-8 in memory, of limited length. A longer body fails the request and closes the connection. */
final class BoundedText implements BodySubscriber<String> {
    /** More than a program answers, and a part of the heap, so that no server can end a command. */
    static final long MAX_BYTES = Math.min(64 << 20, Runtime.getRuntime().maxMemory() / 8);

    private final ByteArrayOutputStream received = new ByteArrayOutputStream();
    private final CompletableFuture<String> body = new CompletableFuture<>();
    private @Nullable Subscription subscription;

    private BoundedText() {}

    static BodyHandler<String> whole() {
        return answer -> new BoundedText();
    }

    /** Returns a handler of an endless body whose lines have a limited length. The caller must close the stream. */
    static BodyHandler<Stream<String>> lines() {
        return answer -> BodySubscribers.mapping(BodySubscribers.ofInputStream(), BoundedText::lines);
    }

    private static Stream<String> lines(InputStream body) {
        return new BufferedReader(new InputStreamReader(new BoundedLines(body), StandardCharsets.UTF_8))
                .lines()
                .onClose(() -> {
                    try {
                        body.close();
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
    }

    @Override
    public CompletionStage<String> getBody() {
        return body;
    }

    @Override
    public void onSubscribe(Subscription given) {
        subscription = given;
        given.request(Long.MAX_VALUE);
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        for (ByteBuffer buffer : buffers) {
            if (body.isDone()) {
                return;
            }
            if (received.size() + buffer.remaining() > MAX_BYTES) {
                body.completeExceptionally(tooLong("the answer"));
                if (subscription != null) {
                    subscription.cancel();
                }
                return;
            }
            byte[] bytes = new byte[buffer.remaining()];
            buffer.get(bytes);
            received.writeBytes(bytes);
        }
    }

    @Override
    public void onError(Throwable error) {
        body.completeExceptionally(error);
    }

    @Override
    public void onComplete() {
        body.complete(received.toString(StandardCharsets.UTF_8));
    }

    private static IOException tooLong(String what) {
        return new IOException(what + " is longer than " + MAX_BYTES + " bytes; does the URL name the right server?");
    }

    /** A stream that fails in the middle of a line that is too long. */
    private static final class BoundedLines extends FilterInputStream {
        private long lineBytes;

        BoundedLines(InputStream body) {
            super(body);
        }

        @Override
        public int read(byte[] to, int offset, int length) throws IOException {
            int read = super.read(to, offset, length);
            for (int i = offset; i < offset + read; i++) {
                lineBytes = to[i] == '\n' ? 0 : lineBytes + 1;
            }
            if (lineBytes > MAX_BYTES) {
                throw tooLong("a line of the answer");
            }
            return read;
        }
    }
}
