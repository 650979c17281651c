// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.load;

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

/** Clients of a gRPC server on this machine, each of which calls again as soon as it is answered. */
public final class CallLoad implements Closeable {
    private static final int MOST_CHANNELS = 4;

    private final List<ManagedChannel> channels = new ArrayList<>();
    private final List<Client> clients = new ArrayList<>();
    private volatile long fromNanos = Long.MAX_VALUE;
    private volatile long toNanos = Long.MAX_VALUE;
    private volatile @Nullable Throwable failure;

    /** A call of one client, the n-th that it makes. */
    public interface Call {
        /** Makes it; the answer goes to the observer. */
        void make(int client, long number, StreamObserver<Object> answer);
    }

    /** How to make calls over a connection. */
    public interface Calls {
        /** For one connection, which several clients share. */
        Call over(ManagedChannel channel);
    }

    /** Connects to a port of this machine. */
    public CallLoad(int port, int number, Calls calls) {
        for (int i = 0; i < Math.min(number, MOST_CHANNELS); i++) {
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

    /** Calls and their latencies. */
    public record Load(long calls, Histogram nanos) {}

    /**
     * Runs for a while.
     *
     * @param around is run where the measured time begins, and where it ends
     * @throws IOException if a call failed
     */
    public Load run(Duration warmUp, Duration measured, Runnable around) throws IOException, InterruptedException {
        clients.forEach(Client::call);
        TimeUnit.NANOSECONDS.sleep(warmUp.toNanos());
        around.run();
        fromNanos = System.nanoTime();
        TimeUnit.NANOSECONDS.sleep(measured.toNanos());
        around.run();
        toNanos = System.nanoTime();
        Histogram all = new Histogram(3);
        for (Client client : clients) {
            client.over.await();
            all.add(client.nanos);
        }
        Throwable met = failure;
        if (met != null) {
            throw new IOException("a call failed: " + met.getMessage(), met);
        }
        return new Load(all.getTotalCount(), all);
    }

    private final class Client implements StreamObserver<Object> {
        private final int number;
        private final Call call;
        private final Histogram nanos = new Histogram(3);
        private final CountDownLatch over = new CountDownLatch(1);
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
        public void onNext(Object answer) {
            // counted when the call is complete
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
                over.countDown();
            }
        }

        @Override
        public void onError(Throwable cause) {
            failure = cause;
            over.countDown();
        }
    }

    @Override
    public void close() {
        channels.forEach(channel -> {
            ManagedChannel unused = channel.shutdownNow();
        });
    }
}
