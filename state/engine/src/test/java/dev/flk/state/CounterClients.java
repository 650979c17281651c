// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static dev.flk.state.EngineHarness.key;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.History.At;
import dev.flk.state.History.Events;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateReads.Found;
import dev.flk.state.StateReads.Read;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Clients that increment a few counters with if_version, each client through one of several engines. After an error
 * that may be temporary, a client repeats the call with the same request_id, which also resolves an unknown outcome.
 * After a conflict, the client chooses and reads a counter again. Answers and refusals are recorded.
 */
final class CounterClients implements AutoCloseable {
    static final int CLIENTS = 64;

    private static final int KEYS = 4;
    private static final Duration LONGEST_RUN = Duration.ofMinutes(3);
    private static final Duration LONGEST_CALL = Duration.ofMinutes(1);
    private static final long PAUSE_NANOS = 5_000_000;
    private static final Set<Reason> TEMPORARY =
            EnumSet.of(Reason.STORE_DOWN, Reason.DISK_FULL, Reason.TOO_MANY_TX, Reason.STARTING);

    private final List<StateEngine> engines;
    private final ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
    private final List<Future<?>> clients = new ArrayList<>();
    private final List<Answer> answers = Collections.synchronizedList(new ArrayList<>());
    private final List<Refusal> refusals = Collections.synchronizedList(new ArrayList<>());
    private volatile boolean isStopped;

    /** An increment as it appears in the history. */
    record Increment(long revision, StateKey counter, long version) {}

    /** An increment that was answered, and the index of the engine that answered it. */
    record Answer(int engine, Increment increment) {}

    /** An error, and the index of the engine that returned it. */
    record Refusal(int engine, Reason reason, String message) {}

    /**
     * Starts the clients, which are distributed evenly among the engines.
     *
     * @param commits the number of increments after which each client ends
     */
    CounterClients(List<StateEngine> engines, int commits) {
        this.engines = engines;
        for (int i = 0; i < CLIENTS; i++) {
            int client = i;
            clients.add(threads.submit(() -> count(client, commits)));
        }
    }

    /** Returns the number of answered increments. */
    int answered() {
        return answers.size();
    }

    /** Returns the number of increments that an engine has answered. */
    long answered(int engine) {
        return List.copyOf(answers).stream()
                .filter(answer -> answer.engine() == engine)
                .count();
    }

    /** Returns all refusals so far, in the order in which the clients received them. */
    List<Refusal> refusals() {
        return List.copyOf(refusals);
    }

    /**
     * Returns whether any client has ended; before {@link #stop}, a client without a limit of commits ends only because
     * of an error.
     */
    boolean hasEnded() {
        return clients.stream().anyMatch(Future::isDone);
    }

    /** Makes each client end after its current increment, or after a conflict. */
    void stop() {
        isStopped = true;
    }

    /** Waits until all clients have ended; fails if one of them failed. */
    void join() throws Exception {
        for (Future<?> client : clients) {
            client.get(LONGEST_RUN.plus(LONGEST_CALL).toSeconds(), TimeUnit.SECONDS);
        }
    }

    private void count(int client, int commits) {
        int index = client % engines.size();
        StateEngine engine = engines.get(index);
        Random random = new Random(client);
        long endNanos = System.nanoTime() + LONGEST_RUN.toNanos();
        for (int commit = 0; commit < commits && !isStopped; ) {
            assertThat(System.nanoTime() - endNanos)
                    .as("client %s has made %s commits", client, commit)
                    .isNegative();
            StateKey counter = key("counters", "k" + random.nextInt(KEYS));
            Found found = retried(index, () -> engine.reads().get(List.of(counter), new At.Now()))
                    .found()
                    .get(0);
            long version =
                    found instanceof Found.Present present ? present.version().version() : 0;
            Operation write = engine.write(counter, Long.toString(version + 1), version);
            String request = client + "-" + commit + "-" + version + "-" + counter.name();
            try {
                Committed committed = retried(
                        index,
                        () -> engine.apply("client", List.of(write), request)
                                .toCompletableFuture()
                                .join());
                Increment increment = new Increment(
                        committed.revision(), counter, committed.versions().get(0));
                answers.add(new Answer(index, increment));
                commit++;
            } catch (StateException e) {
                assertThat(e.reason()).isEqualTo(Reason.VERSION_CONFLICT);
            }
        }
    }

    private <T> T retried(int engine, Call<T> call) {
        return retried(call, refused -> refusals.add(new Refusal(engine, refused.reason(), refused.getMessage())));
    }

    interface Call<T> {
        T call();
    }

    /** Makes a call and, for a limited time, repeats it while it fails with an error that may be temporary. */
    static <T> T retried(Call<T> call) {
        return retried(call, refused -> {});
    }

    private static <T> T retried(Call<T> call, Consumer<StateException> onRefusal) {
        long endNanos = System.nanoTime() + LONGEST_CALL.toNanos();
        while (true) {
            try {
                return call.call();
            } catch (CompletionException | StateException e) {
                StateException refused = e instanceof StateException known ? known : (StateException) e.getCause();
                onRefusal.accept(refused);
                boolean isOver =
                        System.nanoTime() >= endNanos || Thread.currentThread().isInterrupted();
                if (!TEMPORARY.contains(refused.reason()) || isOver) {
                    throw refused;
                }
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
    }

    /**
     * Checks that the history contains each answered increment exactly once and nothing else, and that the values of
     * the counters match. The clients must have ended.
     */
    void assertHistoryIsWhatWasAnswered(StateEngine engine) {
        List<Increment> answered = List.copyOf(answers).stream()
                .map(Answer::increment)
                .sorted(Comparator.comparingLong(Increment::revision))
                .toList();
        List<StateKey> counters =
                IntStream.range(0, KEYS).mapToObj(i -> key("counters", "k" + i)).toList();
        Read read = retried(() -> engine.reads().get(counters, new At.Now()));
        assertThat(read.revision()).isEqualTo(answered.size());
        assertThat(read.found()).allSatisfy(found -> {
            Version version = ((Found.Present) found).version();
            assertThat(version.json()).isEqualTo(Long.toString(version.version()));
        });
        assertThat(history(engine, read.revision())).isEqualTo(answered);
        assertThat(answered)
                .extracting(Increment::revision)
                .isEqualTo(LongStream.rangeClosed(1, answered.size()).boxed().toList());
    }

    private static List<Increment> history(StateEngine engine, long newest) {
        List<Increment> history = new ArrayList<>();
        String historyId = retried(() -> engine.head().historyId());
        for (long next = 1; next <= newest; ) {
            long from = next;
            Events page = retried(() ->
                    engine.history().events(historyId, from, newest + 1, "", key -> true, StateEngine.MAX_PAGE_BYTES));
            for (Event event : page.events()) {
                Event.Change change = event.changes().get(0);
                assertThat(event.changes()).hasSize(1);
                assertThat(change.json()).isEqualTo(Long.toString(change.version()));
                history.add(new Increment(event.revision(), change.key(), change.version()));
            }
            assertThat(page.next()).isGreaterThan(next);
            next = page.next();
        }
        return history;
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }
}
