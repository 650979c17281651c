// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.awaitility.Awaitility.await;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * The programs that leave certificates with the agent, each by a door of its own. What was not acknowledged they mostly try again, with
 * the same certificates, and sometimes give up; so it may be in the outbox once, several times or not at all.
 */
final class OrdealProducers implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final int SPOOL_FILES = 6;

    private final OrdealAgent agent;
    private final int count;
    private final Random random;
    private final AtomicLong next = new AtomicLong();
    private final AtomicLong spooled = new AtomicLong();
    private final Semaphore released = new Semaphore(0);
    private final Set<Long> acknowledged = ConcurrentHashMap.newKeySet();
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final List<Future<?>> ends = new ArrayList<>();
    private volatile boolean closed;

    /** One way to the agent. */
    private interface Door {
        /** Whether all of them were acknowledged. */
        boolean put(List<Pcs> certificates) throws IOException;
    }

    OrdealProducers(OrdealAgent agent, OrdealCertificates all, long seed) {
        this.agent = agent;
        this.count = all.count();
        this.random = new Random(seed);
        begin(this::spool, 40);
        begin(this::submit, 200);
        begin(certificates -> post(this::port, certificates), 12);
        begin(certificates -> post(this::control, certificates), 12);
    }

    /** Lets so many more certificates go. */
    void release(int certificates) {
        released.release(certificates);
    }

    /** The numbers of those that were acknowledged so far. */
    Set<Long> acknowledged() {
        return acknowledged;
    }

    /** Returns when all have ended, having had their turn with everything that there is. */
    void awaitEnd() throws InterruptedException, ExecutionException, TimeoutException {
        for (Future<?> end : ends) {
            end.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        }
    }

    private void begin(Door door, int mostAtOnce) {
        ends.add(threads.submit(() -> {
            for (List<Long> numbers = take(mostAtOnce); !numbers.isEmpty(); numbers = take(mostAtOnce)) {
                List<Pcs> certificates =
                        numbers.stream().map(OrdealCertificates::of).toList();
                boolean done = door.put(certificates);
                while (!done && !closed && random.nextInt(5) > 0) {
                    done = door.put(certificates);
                }
                if (done) {
                    acknowledged.addAll(numbers);
                }
            }
            return null;
        }));
    }

    /** The next numbers that nobody has, up to so many; none when all are given out. */
    private List<Long> take(int mostAtOnce) throws InterruptedException {
        int wanted = 1 + random.nextInt(mostAtOnce);
        List<Long> numbers = new ArrayList<>();
        while (numbers.size() < wanted && !closed) {
            long number = next.getAndIncrement();
            if (number >= count) {
                break;
            }
            boolean unused = released.tryAcquire(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            numbers.add(number);
        }
        return numbers;
    }

    private static String lines(List<Pcs> certificates) {
        return certificates.stream().map(AgentHome::unsigned).collect(Collectors.joining("\n", "", "\n"));
    }

    /** Several files of lines, and one with a single certificate; acknowledged when they are gone, whoever was killed meanwhile. */
    private boolean spool(List<Pcs> certificates) throws IOException {
        List<Path> files = new ArrayList<>();
        files.add(spool(AgentHome.unsigned(certificates.get(0)), ".json"));
        int each = Math.max(1, certificates.size() / SPOOL_FILES);
        for (int from = 1; from < certificates.size(); from += each) {
            files.add(spool(lines(certificates.subList(from, Math.min(from + each, certificates.size()))), ".ndjson"));
        }
        await().atMost(PATIENCE).until(() -> closed || files.stream().noneMatch(Files::exists));
        return true;
    }

    private Path spool(String text, String ending) throws IOException {
        String name = spooled.getAndIncrement() + ending;
        Path written =
                Files.writeString(agent.home().directory().resolve("outside").resolve(name), text);
        return Files.move(written, agent.home().spool().resolve(name));
    }

    private boolean submit(List<Pcs> certificates) throws IOException {
        try (Program submit = agent.command("submit", "-")) {
            submit.input(lines(certificates));
            return submit.awaitExit() == 0;
        } catch (IOException e) {
            return false; // it ended before it had read all
        }
    }

    /** Acknowledged with 202; where nobody listens, it waits until somebody does. */
    private boolean post(Supplier<SocketAddress> door, List<Pcs> certificates) {
        boolean[] acknowledgedAll = new boolean[1];
        await().atMost(PATIENCE)
                .pollInterval(Duration.ofMillis(20))
                .until(() -> closed
                        || heard(() -> {
                            LocalPost.Answer answer = certificates.size() == 1
                                    ? LocalPost.one(door.get(), AgentHome.unsigned(certificates.get(0)))
                                    : LocalPost.lines(door.get(), lines(certificates));
                            acknowledgedAll[0] = answer.status() == 202;
                        }));
        return acknowledgedAll[0];
    }

    /** Something that is said to the agent. */
    private interface Saying {
        void say() throws IOException;
    }

    /** Whether anybody may have heard it. */
    private static boolean heard(Saying saying) {
        try {
            saying.say();
            return true;
        } catch (ConnectException e) {
            return false;
        } catch (IOException e) {
            return true; // and whether it was taken nobody knows
        }
    }

    private SocketAddress port() {
        return LocalPost.loopback(agent.port());
    }

    private SocketAddress control() {
        return UnixDomainSocketAddress.of(agent.home().control());
    }

    @Override
    public void close() {
        closed = true;
        released.release(count);
        threads.shutdown();
        try {
            if (!threads.awaitTermination(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                throw new AssertionError("the producers do not end");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
