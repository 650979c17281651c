// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Head;
import dev.flk.state.Storage.RequestKey;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The state of agents on a {@link Storage}: transactions, reads at any retained revision, and replay. A commit is
 * answered when it is on disk; a read that begins afterwards sees it. Safe for any thread; every rejection by the
 * engine itself is a {@link StateException}.
 *
 * <p>One thread, the writer's, opens the storage and commits; nothing of a caller runs on it. A second thread completes
 * the answers and wakes watches. Values are checked against schemas on the threads of their callers. Another thread
 * expires transactions and, if the storage has failed, makes the writer's thread open the storage again. Reads run on
 * the threads of their callers.
 */
public final class StateEngine implements AutoCloseable {
    /** The time for which the answer to a request is remembered and can be repeated. */
    public static final Duration REQUESTS_REMEMBERED = Duration.ofMinutes(15);

    static final long REMEMBERED_MICROS = TimeUnit.MINUTES.toMicros(REQUESTS_REMEMBERED.toMinutes());

    /** The maximum size in bytes of a page of values, versions or events, unless its first entry alone is larger. */
    public static final long MAX_PAGE_BYTES = 1L << 20;

    /** The maximum number of entries of one page, and of keys in one read. */
    public static final int MAX_PAGE = 1_000;

    private static final int MAX_OPERATIONS = 10_000;
    private static final long MAX_TRANSACTION_BYTES = 3L << 20;
    private static final int MAX_REQUEST_ID_BYTES = 64;
    /** The maximum number of times that a commit is checked if a schema changes after each check. */
    private static final int MOST_CHECKS = 10;

    private static final long TICK_MILLIS = 1_000;
    private static final long FORGET_EVERY_TICKS = 30;
    private static final long CLOSE_MILLIS = 3_000;
    /** The time without a completed commit after which the writer counts as blocked. */
    static final Duration BLOCKED_AFTER = Duration.ofSeconds(10);

    private final Storage storage;
    private final Settings settings;
    private final LongSupplier freeBytes;
    private final OpenTransactions transactions;
    private final OpenTransactions.Limits limits;
    private final Schemas schemas;
    private final Lifetimes lifetimes;
    private final Writer writer;
    private final Thread writerThread;
    private final ScheduledExecutorService ticks;
    /** The thread that completes answers and calls watches. The room of the queue bounds its tasks. */
    private final ExecutorService answers;

    private final Watches watches;
    private final History history;
    private final StateReads reads;
    private volatile @Nullable StateException problem =
            Reason.STARTING.because("the state engine is starting; try again in a moment");
    private long tick;
    /** The storage's newest report that answered commits are or may be missing; null before the first report. */
    private volatile @Nullable String missing;

    private final AtomicLong timesMissing = new AtomicLong();
    /** Whether the step of a tick waits for the writer's thread; if so, later ticks add no other. */
    private final AtomicBoolean isTickQueued = new AtomicBoolean();

    /**
     * The limits of the engine.
     *
     * @param maxValueBytes the maximum size of a value in UTF-8
     * @param txTimeout the maximum and default timeout of a transaction
     * @param maxOpenTx the maximum number of open transactions
     * @param maxStagedBytes the maximum size of all open transactions together; the same maximum applies separately to
     *     all queued commits together
     * @param minFreeBytes the free disk space below which nothing is committed
     */
    public record Settings(
            int maxValueBytes, Duration txTimeout, int maxOpenTx, long maxStagedBytes, long minFreeBytes) {
        /** Returns the default limits. */
        public static Settings defaults() {
            return new Settings(1 << 20, Duration.ofSeconds(30), 1_024, 64L << 20, 512L << 20);
        }
    }

    /** A newly opened transaction and the time at which it expires. */
    public record Begun(String txId, Instant expiresAt) {}

    /**
     * Statistics of the engine.
     *
     * @param keys the approximate number of keys, including deleted ones
     */
    public record Info(
            String historyId, long newestRevision, long oldestRevision, int openTransactions, long keys, long bytes) {}

    /**
     * Creates an engine; {@link #start} opens its storage.
     *
     * @param clock the wall clock, for the times of commits and the beginnings of lifetimes
     * @param expiry the clock for the ends of lifetimes. It must not reach the end of a lifetime early, even if {@code
     *     clock} jumps
     * @param nanoTicker returns monotonic time in nanoseconds, for timeouts and for the expiry of remembered answers
     * @param freeBytes returns the free bytes on the storage's disk
     * @param compiler compiles the schemas of namespaces
     */
    public StateEngine(
            Storage storage,
            Settings settings,
            InstantSource clock,
            InstantSource expiry,
            LongSupplier nanoTicker,
            RandomGenerator random,
            LongSupplier freeBytes,
            Schemas.Compiler compiler) {
        this.storage = storage;
        this.schemas = new Schemas(this, compiler);
        this.answers = answers();
        this.watches = new Watches(answers);
        this.history = new History(this, watches);
        this.reads = new StateReads(this, history);
        this.settings = settings;
        this.freeBytes = freeBytes;
        this.limits = new OpenTransactions.Limits(
                settings.txTimeout(),
                settings.maxOpenTx(),
                MAX_OPERATIONS,
                MAX_TRANSACTION_BYTES,
                settings.maxStagedBytes());
        this.transactions = new OpenTransactions(limits, clock, nanoTicker, random);
        this.lifetimes =
                new Lifetimes(storage, clock, expiry, nanoTicker, () -> full().isPresent(), this::submit, this::later);
        this.writer = new Writer(
                storage,
                clock,
                expiry,
                lifetimes::elapsedMicros,
                nanoTicker,
                REMEMBERED_MICROS,
                settings.maxStagedBytes(),
                limits,
                answers,
                new Writer.Listener() {
                    @Override
                    public void committed(Head head) {
                        published(head);
                    }

                    @Override
                    public void failed(StateException cause) {
                        problem = cause;
                    }
                });
        this.writerThread = new Thread(writer::loop, "state-writer");
        this.writerThread.setDaemon(true);
        this.ticks = Executors.newSingleThreadScheduledExecutor(step -> {
            Thread thread = new Thread(step, "state-ticks");
            thread.setDaemon(true);
            return thread;
        });
    }

    private static ExecutorService answers() {
        return new ThreadPoolExecutor(
                1,
                1,
                0,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(),
                step -> {
                    Thread thread = new Thread(step, "state-answers");
                    thread.setDaemon(true);
                    return thread;
                },
                (step, closed) -> step.run()); // after close(), the storage refuses the last commits; they get answers
    }

    /**
     * Starts the engine, which opens the storage on the writer's thread. Until the first attempt is over, calls are
     * rejected with STARTING.
     *
     * @return a stage that completes after the first attempt to open the storage; if the attempt failed, {@link
     *     #problem} has the error
     */
    public CompletionStage<Void> start() {
        CompletableFuture<Void> tried = new CompletableFuture<>();
        storage.whenOthersCommit(watches::publish);
        storage.whenAnsweredAreMissing(cause -> {
            missing = cause;
            timesMissing.incrementAndGet();
        });
        writerThread.start();
        writer.run(() -> {
            open();
            tried.complete(null);
        });
        ticks.scheduleWithFixedDelay(this::tick, TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
        return tried;
    }

    private void open() {
        try {
            storage.open();
            lifetimes.opened();
            problem = null;
            published(storage.head());
        } catch (StateException e) {
            problem = e;
        } catch (RuntimeException | Error e) {
            problem = StateException.down("the storage can't be opened: " + e, e);
        }
    }

    private void published(Head head) {
        String before = watches.publish(head.historyId(), head.revision());
        if (!before.isEmpty() && !before.equals(head.historyId())) {
            schemas.forgetAll();
            transactions.endAll(head.historyId());
        }
    }

    /**
     * Checks whether the history was replaced since the last published head. If so, wakes waiting replays and ends the
     * transactions of the old history. Returns {@code head}.
     */
    private Head noticed(Head head) {
        if (!head.historyId().equals(watches.historyId())) {
            published(head);
        }
        return head;
    }

    private void tick() {
        transactions.expire();
        tick++;
        boolean forgets = tick % FORGET_EVERY_TICKS == 0;
        if (isTickQueued.compareAndSet(false, true)) {
            writer.run(() -> {
                isTickQueued.set(false);
                step(forgets);
            });
        }
    }

    private void step(boolean forgets) {
        StateException met = problem;
        if (met != null) {
            if (met.reason() != Reason.STARTING) {
                open();
            }
            return;
        }
        if (watches.count() > 0) {
            reporting(() -> noticed(storage.head())); // this wakes waiting replays if the history was replaced
        }
        reporting(lifetimes::expireKeys);
        if (forgets) {
            lifetimes.beginToForget();
        }
    }

    /** Runs a step on the writer's thread; an outage becomes the {@link #problem}. */
    private void later(Runnable step) {
        writer.run(() -> reporting(step));
    }

    private void reporting(Runnable step) {
        try {
            step.run();
        } catch (StateException e) {
            if (e.isOutage()) {
                problem = e;
            }
        }
    }

    /**
     * Returns the problem that causes all calls to be rejected, such as a failed storage; empty if there is no such
     * problem.
     */
    public Optional<StateException> problem() {
        return Optional.ofNullable(problem);
    }

    /**
     * Returns why answered commits are or may be missing; empty if no such loss was found since the engine was created.
     * A loss gives the history a new id.
     */
    public Optional<String> missing() {
        return Optional.ofNullable(missing);
    }

    /** Returns the number of times that answered commits were found to be missing, or possibly missing. */
    public long timesMissing() {
        return timesMissing.get();
    }

    /**
     * Returns the error with which commits are rejected because the disk is nearly full; empty if there is enough
     * space. Reads still work.
     */
    public Optional<StateException> full() {
        return full(1);
    }

    private Optional<StateException> full(long bytes) {
        return freeBytes.getAsLong() - bytes >= settings.minFreeBytes()
                ? Optional.empty()
                : Optional.of(Reason.DISK_FULL.because("the disk is nearly full: less than " + settings.minFreeBytes()
                        + " bytes would remain free (STATE_MIN_FREE_BYTES)"));
    }

    /**
     * Returns a description of the state if commits do not complete, because the storage or a callback does not return;
     * empty if the writer makes progress or has nothing to do.
     */
    public Optional<StateException> blocked() {
        Duration blocked = Duration.ofNanos(writer.blockedNanos());
        return blocked.compareTo(BLOCKED_AFTER) < 0
                ? Optional.empty()
                : Optional.of(Reason.STORE_DOWN.because(
                        "no commit has completed for " + blocked.toSeconds()
                                + " s; look at the disk or the database of the state, and at the threads state-writer and"
                                + " state-answers in a thread dump",
                        Map.of("cause", "WRITER_BLOCKED")));
    }

    void requireUp() {
        StateException met = problem;
        if (met != null) {
            throw met;
        }
    }

    /** Returns the object that reads values, and lists keys, agents and namespaces. */
    public StateReads reads() {
        return reads;
    }

    /** Returns the object for access to events: replay, points in history, and the removal of old events. */
    public History history() {
        return history;
    }

    /** Converts a time between the years 1 and 9999 to microseconds since the epoch. */
    public static long micros(Instant time) {
        // the time is not converted to nanoseconds first, because a long can hold only about three centuries of
        // nanoseconds
        return Math.addExact(Math.multiplyExact(time.getEpochSecond(), 1_000_000), time.getNano() / 1_000);
    }

    /** Converts microseconds since the epoch to a time; the inverse of {@link #micros}. */
    public static Instant time(long micros) {
        return Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
    }

    /**
     * Opens a transaction, which expires when its timeout has passed.
     *
     * @param caller the caller, the only one that may continue the transaction
     * @param timeout the timeout; null for the maximum
     */
    public Begun begin(String caller, @Nullable Duration timeout) {
        requireUp();
        return transactions.begin(caller, timeout);
    }

    /** Returns an operation that sets a key to a JSON value. The white space between the value's tokens is removed. */
    public Operation.Write write(StateKey key, String json, long ifVersion) {
        return write(key, json, ifVersion, 0);
    }

    /**
     * Returns an operation that sets a key to a JSON value, with a lifetime. Once the lifetime is over, the engine
     * deletes the key within a few seconds, unless another write or a touch came first.
     *
     * @param ttlMicros the lifetime, which begins with the commit; 0 for none
     */
    public Operation.Write write(StateKey key, String json, long ifVersion, long ttlMicros) {
        return new Operation.Write(key, ValueText.compact(json, settings.maxValueBytes()), ifVersion, ttlMicros);
    }

    /**
     * Adds an operation to an open transaction. An {@link Operation.Write} must have been created by {@link #write}.
     */
    public void stage(String caller, String txId, Operation operation) {
        requireUp();
        transactions.stage(caller, txId, operation);
    }

    /**
     * Commits the staged operations, all or none; the transaction ends in any case.
     *
     * @param requestId the id of the request; empty if the caller gave none
     */
    public CompletionStage<Committed> commit(String caller, String txId, String requestId) {
        return commit(caller, txId, requestId, staged -> {}, Runnable::run);
    }

    /**
     * Commits the staged operations like {@link #commit(String, String, String)}, but only if {@code permit} accepts
     * them.
     *
     * @param permit a function that receives the operations, and throws an exception to reject them; a rejection aborts
     *     the transaction
     * @param again runs another check of the values if a schema changes before the commit is decided
     */
    public CompletionStage<Committed> commit(
            String caller, String txId, String requestId, Consumer<List<Operation>> permit, Executor again) {
        return transactions.afterCommitInProgress(
                caller, txId, () -> commitOnce(caller, txId, requestId, permit, again));
    }

    private CompletionStage<Committed> commitOnce(
            String caller, String txId, String requestId, Consumer<List<Operation>> permit, Executor again) {
        RequestKey request;
        try {
            requireUp();
            request = request(caller, requestId);
        } catch (StateException e) {
            transactions.giveUp(caller, txId);
            throw e;
        }
        CompletableFuture<Committed> answer = new CompletableFuture<>();
        List<Operation> operations = List.of();
        StateException otherwise = null;
        try {
            operations = transactions.commit(caller, txId, permit, answer);
        } catch (StateException e) {
            if (request == null) {
                throw e;
            }
            otherwise = e; // the caller receives this error, unless an answer to this request is remembered
        }
        if (otherwise != null) {
            submit(new PendingCommit(caller, operations, List.of(), request, "tx " + txId, otherwise, answer));
        } else {
            checkAndSubmit(
                    new PendingCommit(caller, operations, List.of(), request, "tx " + txId, null, answer),
                    again,
                    MOST_CHECKS);
        }
        return answer;
    }

    /** Aborts a transaction; fails with TX_COMMITTED if the transaction was already committed. */
    public CompletionStage<Void> abort(String caller, String txId) {
        return transactions.afterCommitInProgress(caller, txId, () -> {
            transactions.abort(caller, txId);
            return CompletableFuture.completedFuture(null);
        });
    }

    /**
     * Commits the operations as one new transaction, all or none. An {@link Operation.Write} must have been created by
     * {@link #write}.
     *
     * @param requestId the id of the request; empty if the caller gave none
     */
    public CompletionStage<Committed> apply(String caller, List<Operation> operations, String requestId) {
        return apply(caller, operations, requestId, Runnable::run);
    }

    /**
     * Commits the operations like {@link #apply(String, List, String)}.
     *
     * @param again runs another check of the values if a schema changes before the commit is decided
     */
    public CompletionStage<Committed> apply(
            String caller, List<Operation> operations, String requestId, Executor again) {
        requireUp();
        limits.require(operations.size(), PendingCommit.bytes(operations));
        RequestKey request = request(caller, requestId);
        PendingCommit commit = new PendingCommit(
                caller,
                operations,
                List.of(),
                request,
                request == null ? "" : PendingCommit.digest(operations),
                null,
                new CompletableFuture<>());
        checkAndSubmit(commit, again, MOST_CHECKS);
        return commit.answer();
    }

    /**
     * Deletes all keys of an agent that begin with a prefix, in one commit. The keys are selected when the commit is
     * decided, so that the commit deletes exactly the keys that exist at that moment. The answer contains the versions
     * of the deletions.
     *
     * @param prefix the prefix; empty for all keys of the agent
     * @param ifRevision if one of the keys was written after this revision, the commit is rejected with
     *     VERSION_CONFLICT; empty for no such condition
     * @param requestId as for {@link #apply}
     */
    public CompletionStage<Committed> remove(
            String caller, String namespace, String agentId, String prefix, OptionalLong ifRevision, String requestId) {
        requireUp();
        StateKey.requireNamespace(namespace);
        StateKey.requireAgentId(agentId);
        if (!prefix.isEmpty()) {
            // the constructor rejects an invalid prefix; any nonempty prefix of a valid name is itself a valid name
            StateKey unused = new StateKey(namespace, agentId, prefix);
        }
        if (ifRevision.isPresent() && ifRevision.getAsLong() < 0) {
            throw Reason.INVALID.because("if_revision is negative: " + ifRevision.getAsLong());
        }
        PendingCommit removal = new PendingCommit(
                caller,
                new PendingCommit.Removal(
                        namespace, agentId, prefix, ifRevision.orElse(PendingCommit.Removal.ANY_REVISION)),
                request(caller, requestId));
        submit(removal);
        return removal.answer();
    }

    private static @Nullable RequestKey request(String caller, String requestId) {
        if (requestId.isEmpty()) {
            return null;
        }
        if (StateKey.utf8(requestId).length > MAX_REQUEST_ID_BYTES) {
            throw Reason.INVALID.because("request_id is longer than " + MAX_REQUEST_ID_BYTES + " bytes");
        }
        return new RequestKey(caller, requestId);
    }

    /**
     * Checks the values of a commit against the schemas of their namespaces, and queues the commit on the condition that
     * these schemas are still in force when it is decided. If one has changed, the commit is checked again; only then,
     * a later commit of the same caller may take effect before it.
     *
     * @param checks the maximum number of checks
     */
    private void checkAndSubmit(PendingCommit unchecked, Executor again, int checks) {
        List<Operation> conditions;
        try {
            conditions = schemas.check(unchecked.operations());
        } catch (StateException e) {
            submit(unchecked.failing(
                    e)); // the caller receives this error, unless an answer to its request is remembered
            return;
        } catch (RuntimeException | Error e) {
            unchecked.answer().completeExceptionally(e); // otherwise, later calls of the transaction would wait forever
            return;
        }
        CompletableFuture<Committed> decided = new CompletableFuture<>();
        var unused = decided.whenComplete((committed, failure) -> {
            if (committed != null) {
                unchecked.answer().complete(committed);
            } else if (failure instanceof StateException refused
                    && Schemas.isOutdated(refused, conditions)
                    && checks > 1) {
                schemas.forget(conditions);
                checkAgain(unchecked, again, checks - 1);
            } else {
                unchecked
                        .answer()
                        .completeExceptionally(Objects.requireNonNull(failure, "a commit is durable or rejected"));
            }
        });
        submit(unchecked.with(conditions, decided));
    }

    private void checkAgain(PendingCommit unchecked, Executor again, int checks) {
        try {
            again.execute(() -> checkAndSubmit(unchecked, again, checks));
        } catch (RejectedExecutionException e) {
            unchecked
                    .answer()
                    .completeExceptionally(Reason.STORE_DOWN.because("the state is closed, and a schema has changed"));
        }
    }

    private void submit(PendingCommit commit) {
        try {
            boolean isWrite = !commit.operations().isEmpty() || commit.removal() != null;
            Optional<StateException> full = isWrite ? full(commit.bytes()) : Optional.empty();
            if (full.isPresent() && commit.request() == null) {
                throw full.get();
            }
            // the caller receives this error, unless an answer to this request is remembered
            writer.submit(full.isPresent() && commit.otherwise() == null ? commit.failing(full.get()) : commit);
        } catch (StateException e) {
            commit.answer().completeExceptionally(e);
        }
    }

    /** Returns what expires by time. */
    Lifetimes lifetimes() {
        return lifetimes;
    }

    /** Returns the schemas of namespaces. */
    public Schemas schemas() {
        return schemas;
    }

    /** Returns the head of the history: its id, its newest durable revision and its floor. */
    public Head head() {
        requireUp();
        return noticed(using(Storage::head));
    }

    /** Returns statistics of the engine. */
    public Info info() {
        Head head = head();
        return new Info(
                head.historyId(),
                head.revision(),
                head.floor() + 1,
                transactions.open(),
                using(Storage::keys),
                using(Storage::bytes));
    }

    /** Returns the number of transactions that timed out. */
    public long expired() {
        return transactions.expired();
    }

    /** Returns the number of open transactions. */
    public int openTransactions() {
        return transactions.open();
    }

    /** Copies the storage; see {@link Storage#backup}. */
    public Path backup() {
        return using(Storage::backup);
    }

    /** Reads from the storage; see {@link #using}. */
    <T> T reading(Function<Storage.Reads, T> reading) {
        return using(storage -> storage.read(reading));
    }

    /**
     * Returns the result of {@code use}. If {@code use} throws because the storage as a whole has failed, also records
     * the error as the {@link #problem}.
     */
    <T> T using(Function<Storage, T> use) {
        requireUp();
        try {
            return use.apply(storage);
        } catch (StateException e) {
            if (e.isOutage()) {
                problem = e;
            }
            throw e;
        }
    }

    /** Waits until everything that was submitted is committed, but at most three seconds; then closes the storage. */
    @Override
    public void close() {
        ticks.shutdownNow();
        writer.end();
        try {
            writerThread.join(CLOSE_MILLIS);
            answers.shutdown();
            answers.awaitTermination(CLOSE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        problem = Reason.STORE_DOWN.because("the state engine is closed");
        storage.close();
    }
}
