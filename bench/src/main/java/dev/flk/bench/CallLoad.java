// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.LoadClient.Load;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.StreamObserver;
import java.io.Closeable;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/** Clients of a gRPC server on this machine. Each client makes its next call as soon as its previous call completes. */
final class CallLoad implements Closeable {
    private static final int MAX_CHANNELS = 4;

    private final List<ManagedChannel> channels = new ArrayList<>();
    private final List<Client> clients = new ArrayList<>();
    private volatile long fromNanos = Long.MAX_VALUE;
    private volatile long toNanos = Long.MAX_VALUE;
    private volatile @Nullable Throwable failure;

    /** A function that makes calls of one kind. */
    public interface Call {
        /**
         * Makes a call and passes the response to the observer.
         *
         * @param client the index of the client
         * @param number the number of earlier calls of this client
         */
        void make(int client, long number, StreamObserver<Object> response);
    }

    /** A factory of calls over a connection. */
    public interface Calls {
        /** Returns a call that is made over a channel. Several clients may share the channel. */
        Call over(ManagedChannel channel);
    }

    /** Creates {@code number} clients of a server on this machine. */
    public CallLoad(int port, int number, Calls calls) {
        for (int i = 0; i < Math.min(number, MAX_CHANNELS); i++) {
            channels.add(NettyChannelBuilder.forAddress("127.0.0.1", port)
                    .usePlaintext()
                    .directExecutor()
                    .build());
        }
        List<Call> made = channels.stream().map(calls::over).toList();
        for (int i = 0; i < number; i++) {
            clients.add(new Client(i, made.get(i % made.size())));
        }
    }

    /**
     * Runs the clients for {@code warmUp} and then for {@code measured}, and counts only the calls that complete in the
     * second period.
     *
     * @param atBounds called at the start and at the end of the measured time
     * @throws IOException if a call failed
     */
    public Load run(Duration warmUp, Duration measured, Runnable atBounds) throws IOException, InterruptedException {
        clients.forEach(Client::call);
        TimeUnit.NANOSECONDS.sleep(warmUp.toNanos());
        atBounds.run();
        fromNanos = System.nanoTime();
        TimeUnit.NANOSECONDS.sleep(measured.toNanos());
        atBounds.run();
        toNanos = System.nanoTime();
        double seconds = (toNanos - fromNanos) / 1e9;
        Histogram all = new Histogram(3);
        for (Client client : clients) {
            client.ended.await();
            all.add(client.nanos);
        }
        Throwable cause = failure;
        if (cause != null) {
            throw new IOException("a call failed: " + cause.getMessage(), cause);
        }
        return new Load(all.getTotalCount(), seconds, all);
    }

    private final class Client implements StreamObserver<Object> {
        private final int number;
        private final Call call;
        private final Histogram nanos = new Histogram(3);
        private final CountDownLatch ended = new CountDownLatch(1);
        private long calls;
        private long begunNanos;

        Client(int number, Call call) {
            this.number = number;
            this.call = call;
        }

        void call() {
            begunNanos = System.nanoTime();
            call.make(number, calls++, this);
        }

        @Override
        public void onNext(Object response) {
            // Calls are counted on completion.
        }

        @Override
        public void onCompleted() {
            long now = System.nanoTime();
            if (now >= fromNanos && now < toNanos) {
                nanos.recordValue(now - begunNanos);
            }
            if (now < toNanos && failure == null) {
                call();
            } else {
                ended.countDown();
            }
        }

        @Override
        public void onError(Throwable cause) {
            failure = cause;
            ended.countDown();
        }
    }

    @Override
    public void close() {
        channels.forEach(channel -> {
            channel.shutdownNow();
        });
    }
}
