// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.Head;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Page;
import dev.flk.state.Storage.RequestKey;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The state of agents on a {@link Storage}: transactions, reads at any retained revision, and replay. A commit is
 * answered when it is on disk; a read that begins afterwards sees it. Safe for any thread; every rejection is a {@link
 * StateException}.
 *
 * <p>One thread commits; another expires transactions and retries a failed storage. Reads run on the threads of their
 * callers.
 */
public final class StateEngine implements AutoCloseable {
    /** The time for which the answer to a request is repeated. */
    public static final Duration REQUESTS_REMEMBERED = Duration.ofMinutes(15);

    private static final long REMEMBERED_MICROS = TimeUnit.MINUTES.toMicros(REQUESTS_REMEMBERED.toMinutes());

    /** The maximum size of a page of a list, a history or a replay, unless a single entry is larger. */
    public static final long MAX_PAGE_BYTES = 2L << 20;

    /** The maximum number of entries of a list and of keys in one read. */
    public static final int MAX_PAGE = 1_000;

    /** The maximum size of all values in one read of several keys; gRPC clients accept 4 MiB by default. */
    private static final long MAX_READ_BYTES = 3L << 20;

    private static final int READ_AT_ONCE = 10;
    private static final int MAX_OPERATIONS = 10_000;
    private static final long MAX_TRANSACTION_BYTES = 3L << 20;
    private static final int MAX_REQUEST_ID_BYTES = 64;
    private static final long TICK_MILLIS = 1_000;
    private static final long FORGET_EVERY_TICKS = 30;
    private static final long CLOSE_MILLIS = 3_000;

    private final Storage storage;
    private final Settings settings;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final LongSupplier freeBytes;
    private final OpenTransactions transactions;
    private final OpenTransactions.Limits limits;
    private final Writer writer;
    private final Thread writerThread;
    private final ScheduledExecutorService ticks;
    private final Watches watches = new Watches();
    private volatile @Nullable StateException problem =
            Reason.STARTING.because("the state engine is starting; try again in a moment");
    private long tick;
    /** The difference between elapsed time and the ticker; set when the storage is first opened. */
    private volatile @Nullable Long elapsedOffsetMicros;
    /**
     * The cause of the last change of the history's id because answered commits are missing; null if none existed.
     */
    private volatile @Nullable String missing;

    private final AtomicLong timesMissing = new AtomicLong();

    /**
     * The limits of the engine.
     *
     * @param maxValueBytes the maximum size of a value in UTF-8
     * @param txTimeout the maximum and default timeout of a transaction
     * @param maxOpenTx the maximum number of open transactions
     * @param maxStagedBytes the maximum size of all open transactions together, and also of all queued commits
     * @param minFreeBytes the free disk space below which nothing is committed
     */
    public record Settings(
            int maxValueBytes, Duration txTimeout, int maxOpenTx, long maxStagedBytes, long minFreeBytes) {
        /** Returns the defaults of the contract. */
        public static Settings defaults() {
            return new Settings(1 << 20, Duration.ofSeconds(30), 1_024, 64L << 20, 512L << 20);
        }
    }

    /** A newly opened transaction and the time at which it expires. */
    public record Begun(String txId, Instant expiresAt) {}

    /**
     * The position in a history after which events are read.
     *
     * @param committedAtMicros the time of the revision, which identifies it; null for a token of version 0.1, which
     *     lacks it
     */
    public record Token(
            String historyId, long revision, @Nullable Long committedAtMicros) {
        /** Creates a token of version 0.1. */
        public Token(String historyId, long revision) {
            this(historyId, revision, null);
        }
    }

    /** A point in history. */
    public sealed interface At {
        /** The newest revision. */
        record Now() implements At {}

        record Revision(long revision) implements At {}

        /** The last revision that was committed at or before this time. */
        record Time(Instant time) implements At {}
    }

    /** The result of reading a key. */
    public sealed interface Found {
        /** The key had not been written. */
        record Absent() implements Found {}

        record Deleted(Version version) implements Found {}

        /** The version existed, but is no longer retained. */
        record Compacted() implements Found {}

        record Present(Version version) implements Found {}
    }

    /** The results of reading keys, in order and all at one revision. */
    public record Read(long revision, List<Found> found) {}

    /**
     * A page of events.
     *
     * @param next the revision at which the next page begins
     * @param lastAtMicros the time of the last revision read; 0 if none was read
     */
    public record Events(List<Event> events, long next, long lastAtMicros) {}

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
     * @param clock the wall clock, for the times of commits
     * @param nanoTicker monotonic time, for timeouts
     * @param freeBytes returns the free bytes on the storage's disk
     */
    public StateEngine(
            Storage storage,
            Settings settings,
            InstantSource clock,
            LongSupplier nanoTicker,
            RandomGenerator random,
            LongSupplier freeBytes) {
        this.storage = storage;
        this.settings = settings;
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.freeBytes = freeBytes;
        this.limits = new OpenTransactions.Limits(
                settings.txTimeout(),
                settings.maxOpenTx(),
                MAX_OPERATIONS,
                MAX_TRANSACTION_BYTES,
                settings.maxStagedBytes());
        this.transactions = new OpenTransactions(limits, clock, nanoTicker, random);
        this.writer = new Writer(
                storage,
                clock,
                this::elapsedMicros,
                REMEMBERED_MICROS,
                settings.maxStagedBytes(),
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

    /**
     * Starts the engine and opens the storage; until it is open, calls are rejected with STARTING.
     *
     * @return completes when the storage is open or could not be opened, as {@link #problem} then says
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
        Object unused = ticks.scheduleWithFixedDelay(this::tick, TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
        return tried;
    }

    private void open() {
        try {
            storage.open();
            beginElapsedTime();
            problem = null;
            published(storage.head());
        } catch (StateException e) {
            problem = e;
        } catch (RuntimeException | Error e) {
            problem = StateException.down("the storage can't be opened: " + e, e);
        }
    }

    /**
     * Sets the origin of elapsed time: the wall clock, or the elapsed time at which the previous process gave its last
     * answer. Each answer is then remembered for exactly its time, whatever the wall clock did in between.
     */
    private void beginElapsedTime() {
        if (elapsedOffsetMicros == null) {
            long last = storage.lastExpiryMicros();
            long begin = last == 0 ? micros(clock.instant()) : last - REMEMBERED_MICROS;
            elapsedOffsetMicros = begin - tickerMicros();
        }
    }

    private long tickerMicros() {
        return TimeUnit.NANOSECONDS.toMicros(nanoTicker.getAsLong());
    }

    /** Returns the elapsed time, by which answers expire. */
    private long elapsedMicros() {
        return Objects.requireNonNull(elapsedOffsetMicros, "the storage was opened") + tickerMicros();
    }

    private void published(Head head) {
        String before = watches.publish(head.historyId(), head.revision());
        if (!before.isEmpty() && !before.equals(head.historyId())) {
            transactions.endAll(head.historyId());
        }
    }

    /** Handles a storage that came back with another history: wakes replays and invalidates transactions. */
    private Head noticed(Head head) {
        if (!head.historyId().equals(watches.historyId())) {
            published(head);
        }
        return head;
    }

    private void tick() {
        transactions.expire();
        tick++;
        StateException met = problem;
        if (met != null && met.reason() != Reason.STARTING) {
            later(this::open);
        } else if (met == null && watches.count() > 0) {
            later(() -> noticed(storage.head())); // so that waiting replays notice a new history even without calls
        }
        if (met == null && tick % FORGET_EVERY_TICKS == 0) {
            later(this::forget);
        }
    }

    /** Removes expired answers in steps, so that commits can run between them. */
    private void forget() {
        if (forgetAnswers()) {
            later(this::forget);
        }
    }

    /** Calls {@link Storage#forgetAnswers}; returns whether there is more to do. */
    boolean forgetAnswers() {
        return storage.forgetAnswers(elapsedMicros());
    }

    /** Runs a step on the writer's thread. */
    private void later(Runnable step) {
        writer.run(() -> {
            try {
                step.run();
            } catch (StateException e) {
                if (e.isOutage()) {
                    problem = e;
                }
            }
        });
    }

    /** Returns the problem of the storage, for operators; empty if none exists. */
    public Optional<StateException> problem() {
        return Optional.ofNullable(problem);
    }

    /**
     * Returns why answered commits are missing, or may be, so that the history has a new id; empty if nothing was lost.
     */
    public Optional<String> missing() {
        return Optional.ofNullable(missing);
    }

    /** Returns how often answered commits were found missing. */
    public long timesMissing() {
        return timesMissing.get();
    }

    /** Returns the error while commits are rejected because the disk is nearly full; reads still work. */
    public Optional<StateException> full() {
        return full(1);
    }

    private Optional<StateException> full(long bytes) {
        return freeBytes.getAsLong() - bytes >= settings.minFreeBytes()
                ? Optional.empty()
                : Optional.of(Reason.DISK_FULL.because("less than " + settings.minFreeBytes()
                        + " bytes would be left on the disk (STATE_MIN_FREE_BYTES)"));
    }

    private void requireUp() {
        StateException met = problem;
        if (met != null) {
            throw met;
        }
    }

    /** Converts a time between the years 1 and 9999 to microseconds since the epoch. */
    public static long micros(Instant time) {
        // without nanoseconds, because a long holds only three centuries of them
        return Math.addExact(Math.multiplyExact(time.getEpochSecond(), 1_000_000), time.getNano() / 1_000);
    }

    /** Converts microseconds since the epoch to a time; the inverse of {@link #micros}. */
    public static Instant time(long micros) {
        return Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
    }

    /**
     * Opens a transaction, which expires by itself.
     *
     * @param caller the caller, the only one that may continue the transaction
     * @param timeout the timeout; null for the maximum
     */
    public Begun begin(String caller, @Nullable Duration timeout) {
        requireUp();
        return transactions.begin(caller, timeout);
    }

    /** Returns an operation that writes a value in the form in which it is stored. */
    public Operation.Write write(Key key, String json, long ifVersion) {
        return new Operation.Write(key, ValueText.compact(json, settings.maxValueBytes()), ifVersion);
    }

    /** Adds an operation to an open transaction. Writes are created by {@link #write}. */
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
        return behindItsFirst(caller, txId, () -> commitOnce(caller, txId, requestId));
    }

    /**
     * Runs a second call that ends a transaction only after the first has finished, because its answer depends on the
     * first.
     */
    private <T> CompletionStage<T> behindItsFirst(String caller, String txId, Supplier<CompletionStage<T>> end) {
        CompletableFuture<Long> first = transactions.underWay(caller, txId);
        if (first == null) {
            return end.get();
        }
        CompletableFuture<T> answer = new CompletableFuture<>();
        var unused = first.whenComplete((revision, failure) -> {
            try {
                var unusedEnd = end.get().whenComplete((done, refused) -> {
                    if (refused == null) {
                        answer.complete(done);
                    } else {
                        answer.completeExceptionally(refused);
                    }
                });
            } catch (StateException e) {
                answer.completeExceptionally(e);
            }
        });
        return answer;
    }

    private CompletionStage<Committed> commitOnce(String caller, String txId, String requestId) {
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
            operations = transactions.commit(caller, txId, answer);
        } catch (StateException e) {
            if (request == null) {
                throw e;
            }
            otherwise = e; // unless it was already committed under this request
        }
        return submit(new PendingCommit(operations, request, "tx " + txId, otherwise, answer));
    }

    /** Aborts a transaction; rejected if it was committed. */
    public CompletionStage<Void> abort(String caller, String txId) {
        return behindItsFirst(caller, txId, () -> {
            transactions.abort(caller, txId);
            return CompletableFuture.completedFuture(null);
        });
    }

    /**
     * Commits a complete transaction at once. Writes are created by {@link #write}.
     *
     * @param requestId the id of the request; empty if the caller gave none
     */
    public CompletionStage<Committed> apply(String caller, List<Operation> operations, String requestId) {
        requireUp();
        limits.require(operations.size(), PendingCommit.bytes(operations));
        RequestKey request = request(caller, requestId);
        return submit(
                new PendingCommit(operations, request, request == null ? "" : PendingCommit.digest(operations), null));
    }

    private static @Nullable RequestKey request(String caller, String requestId) {
        if (requestId.isEmpty()) {
            return null;
        }
        if (Key.utf8(requestId).length > MAX_REQUEST_ID_BYTES) {
            throw Reason.INVALID.because("request_id is longer than " + MAX_REQUEST_ID_BYTES + " bytes");
        }
        return new RequestKey(caller, requestId);
    }

    private CompletionStage<Committed> submit(PendingCommit commit) {
        try {
            if (!commit.operations().isEmpty()) {
                full(commit.bytes()).ifPresent(full -> {
                    throw full;
                });
            }
            writer.submit(commit);
        } catch (StateException e) {
            commit.answer().completeExceptionally(e);
        }
        return commit.answer();
    }

    /**
     * Reads keys at one revision.
     *
     * @throws StateException INVALID for too many keys; COMPACTED; HISTORY_CHANGED if the revision does not exist yet
     */
    public Read get(List<Key> keys, At at) {
        if (keys.size() > MAX_PAGE) {
            throw Reason.INVALID.because("more than " + MAX_PAGE + " keys in one read: " + keys.size());
        }
        return readingAt(at, revision -> get(keys, revision));
    }

    private Read get(List<Key> keys, long revision) {
        List<Found> found = new ArrayList<>(keys.size());
        long bytes = 0;
        for (int from = 0; from < keys.size(); from += READ_AT_ONCE) {
            List<Key> some = keys.subList(from, Math.min(keys.size(), from + READ_AT_ONCE));
            for (Optional<Version> newest : reading(() -> storage.newest(some, revision))) {
                found.add(newest.map(StateEngine::found).orElseGet(Found.Absent::new));
                bytes += newest.isPresent() ? newest.get().jsonBytes() : 0;
            }
            if (bytes > MAX_READ_BYTES && keys.size() > 1) {
                throw Reason.INVALID.because(
                        "the values are longer than " + MAX_READ_BYTES + " bytes together; request fewer keys");
            }
        }
        keys.stream().map(Key::namespace).distinct().forEach(namespace -> requireKept(revision, namespace));
        return new Read(revision, found);
    }

    private static Found found(Version version) {
        return version.isDeleted() ? new Found.Deleted(version) : new Found.Present(version);
    }

    /** Reads one version of a key. */
    public Read get(Key key, long version) {
        if (version < 1) {
            throw Reason.INVALID.because("versions begin with 1: " + version);
        }
        long revision = revision(new At.Now());
        long above = Math.max(version, version + 1); // Long.MAX_VALUE has no successor
        List<Version> upTo = reading(() -> storage.history(key, above, 1, 0));
        Found found;
        if (upTo.isEmpty()) {
            // earlier versions than the oldest one were compacted
            List<Version> newest = reading(() -> storage.history(key, Long.MAX_VALUE, 1, 0));
            found = newest.isEmpty() ? new Found.Absent() : new Found.Compacted();
        } else {
            found = upTo.get(0).version() == version ? found(upTo.get(0)) : new Found.Absent();
        }
        return new Read(revision, List.of(found));
    }

    /**
     * Returns the versions of a key, newest first.
     *
     * @param below the version below which to read
     * @param limit 1 to {@link #MAX_PAGE}
     */
    public List<Version> history(Key key, long below, int limit) {
        requireUp();
        return reading(() -> storage.history(key, below, Math.min(limit, MAX_PAGE), MAX_PAGE_BYTES));
    }

    /** Returns the keys of an agent that exist at a point in history, in order. */
    public Page<KeyAt> keys(String namespace, String agentId, String prefix, @Nullable String after, At at, int limit) {
        Key.requireNamespace(namespace);
        Key.requireAgentId(agentId);
        requireText(prefix, after);
        return readingAt(at, revision -> {
            Page<KeyAt> page =
                    reading(() -> storage.keys(namespace, agentId, prefix, after, revision, Math.min(limit, MAX_PAGE)));
            requireKept(revision, namespace);
            return page;
        });
    }

    /** Reads at a point in history; a read of the newest revision is repeated if a compaction overtakes it. */
    private <T> T readingAt(At at, LongFunction<T> read) {
        while (true) {
            long revision = revision(at);
            try {
                return read.apply(revision);
            } catch (StateException e) {
                if (e.reason() != Reason.COMPACTED || revision(at) == revision) {
                    throw e;
                }
            }
        }
    }

    /** Returns the agents of a namespace that have keys, in order. */
    public Page<String> agents(String namespace, String prefix, @Nullable String after, int limit) {
        Key.requireNamespace(namespace);
        requireText(prefix, after);
        requireUp();
        return reading(() -> storage.agents(namespace, prefix, after, Math.min(limit, MAX_PAGE)));
    }

    /** Returns the namespaces that have keys, in order. */
    public Page<String> namespaces(String prefix, @Nullable String after, int limit) {
        requireText(prefix, after);
        requireUp();
        return reading(() -> storage.namespaces(prefix, after, Math.min(limit, MAX_PAGE)));
    }

    /**
     * Returns keys whose newest value matches an SQL/JSON path; see {@link Storage#find}.
     *
     * @param agentId the agent; empty for all agents
     */
    public Page<Document> find(String namespace, String agentId, String jsonPath, @Nullable String after, int limit) {
        Key.requireNamespace(namespace);
        if (!agentId.isEmpty()) {
            Key.requireAgentId(agentId);
        }
        requireText(jsonPath, null);
        if (after != null && !after.matches("[^\\p{Cntrl}]+\0[^\\p{Cntrl}]+")) {
            throw Reason.INVALID.because("page_token was not returned by Find");
        }
        requireUp();
        return reading(
                () -> storage.find(namespace, agentId, jsonPath, after, Math.min(limit, MAX_PAGE), MAX_PAGE_BYTES));
    }

    /**
     * Returns a page of the events that pass a filter.
     *
     * @param historyId the history to read
     * @param from the first revision
     * @param to the end of the range, exclusive; may be beyond the newest revision
     * @param namespace the namespace of the changes; empty for all, where changes that were trimmed are missing
     * @param wanted selects changes
     * @param maxBytes the size at which the page ends, after at least one event
     * @return one page; at the end, {@code next} is {@code to} or the revision after the newest
     * @throws StateException COMPACTED; HISTORY_CHANGED if the history was replaced
     */
    public Events events(String historyId, long from, long to, String namespace, Predicate<Key> wanted, long maxBytes) {
        long end = Math.min(to, requireReplayable(historyId, from, namespace).revision() + 1);
        if (from >= end) {
            return new Events(List.of(), from, 0);
        }
        List<Event> read = reading(() -> storage.events(from, maxBytes));
        Head unused = requireReplayable(historyId, from, namespace);
        List<Event> passed = new ArrayList<>(read.size());
        long next = from;
        long lastAtMicros = 0;
        for (Event event : read) {
            if (event.revision() >= end) {
                break;
            }
            next = event.revision() + 1;
            lastAtMicros = event.committedAtMicros();
            List<Event.Change> changes = event.changes().stream()
                    .filter(change ->
                            namespace.isEmpty() || namespace.equals(change.key().namespace()))
                    .filter(change -> wanted.test(change.key()))
                    .toList();
            if (!changes.isEmpty()) {
                passed.add(new Event(event.revision(), event.committedAtMicros(), changes, event.operationsTotal()));
            }
        }
        return new Events(passed, next, lastAtMicros);
    }

    /**
     * Calls {@code listener} once, as soon as a revision above {@code revision} is durable or the history was replaced. The
     * call is made immediately or on the writer's thread, which it must not block.
     *
     * @return cancels the callback
     */
    public Runnable whenBeyond(String historyId, long revision, Runnable listener) {
        return watches.whenBeyond(historyId, revision, listener);
    }

    /** Returns the number of pending callbacks. */
    public int watches() {
        return watches.count();
    }

    /**
     * Returns the revision after which a replay with a token continues. If revisions after the token were compacted,
     * they must not contain any change that the replay selects.
     *
     * @param namespace the namespace; empty for all
     * @param agentId the agent; empty for all
     * @param wanted selects changes; the result must be the same for all keys of an agent
     * @throws StateException HISTORY_CHANGED if the token belongs to another history or its revision does not exist;
     *     COMPACTED
     */
    public long resume(Token token, String namespace, String agentId, Predicate<Key> wanted) {
        Head head = requireHistory(token.historyId());
        if (token.revision() > head.revision()) {
            throw changed("revision " + token.revision() + " does not exist; the newest is " + head.revision(), head);
        }
        Long tokenMicros = token.committedAtMicros();
        if (tokenMicros != null && !isCommittedAt(head, token.revision(), tokenMicros)) {
            throw changed("revision " + token.revision() + " is not the commit that the token names", head);
        }
        long floor = floor(head, namespace);
        if (token.revision() >= floor) {
            return token.revision();
        }
        if (reading(() -> storage.isChanged(namespace, agentId, wanted, token.revision(), floor))) {
            throw compacted("the history after revision " + token.revision(), floor);
        }
        return floor;
    }

    /** Returns whether a revision was committed at this time, or is no longer retained. */
    private boolean isCommittedAt(Head head, long revision, long micros) {
        if (revision == head.floor()) {
            return micros == head.floorAtMicros();
        }
        List<Event> found = revision < head.floor() ? List.of() : reading(() -> storage.events(revision, 0));
        return found.isEmpty()
                || found.get(0).revision() != revision
                || found.get(0).committedAtMicros() == micros;
    }

    private Head requireHistory(String historyId) {
        Head head = head();
        if (!historyId.equals(head.historyId())) {
            throw changed("history " + historyId + " was replaced", head);
        }
        return head;
    }

    /** Returns the revision of a point in history, whether or not it is retained. */
    public long revision(At at) {
        Head head = head();
        if (at instanceof At.Now) {
            return head.revision();
        }
        if (at instanceof At.Time time) {
            long micros = micros(time.time());
            requireKept(time.time(), head);
            long found = reading(() -> storage.revisionAt(micros));
            requireKept(time.time(), head());
            return found;
        }
        long revision = ((At.Revision) at).revision();
        if (revision < 0) {
            throw Reason.INVALID.because("revision " + revision + " is negative; the first revision is 1");
        }
        if (revision > head.revision()) {
            throw changed(
                    "revision " + revision + " does not exist; the newest is " + head.revision()
                            + ". If it did exist, records were lost",
                    head);
        }
        return revision;
    }

    /**
     * Returns the first revision that was committed at or after a point in history, for the beginning and end of a
     * replay; the revision after the newest if there is no such one.
     */
    public long firstAt(At at) {
        Head head = head();
        if (at instanceof At.Revision revision) {
            if (revision.revision() < 0) {
                throw Reason.INVALID.because("a revision is negative: " + revision.revision());
            }
            return Math.max(1, revision.revision()); // revision 0 is the empty state
        }
        if (at instanceof At.Time time) {
            long micros = micros(time.time());
            if (micros <= head.floorAtMicros() && head.floor() > 0) {
                throw compacted("the history from " + time.time() + " on", head.floor());
            }
            return reading(() -> storage.revisionAt(micros - 1)) + 1;
        }
        return head.revision() + 1;
    }

    /**
     * Requires that the state at a time is retained; before the first commit of a history that was never compacted, it
     * is empty.
     */
    private static void requireKept(Instant time, Head head) {
        if (head.floor() > 0 && micros(time) < head.floorAtMicros()) {
            throw compacted("the state at " + time, head.floor());
        }
    }

    /** Requires that a revision is retained. Called after reading, because a removal may run concurrently. */
    private void requireKept(long revision, String namespace) {
        long floor = floor(head(), namespace);
        if (revision < floor) {
            throw compacted("the state at revision " + revision, floor);
        }
    }

    private Head requireReplayable(String historyId, long from, String namespace) {
        Head head = requireHistory(historyId);
        long floor = floor(head, namespace);
        if (from <= floor) {
            throw compacted("revision " + from, floor);
        }
        return head;
    }

    private long floor(Head head, String namespace) {
        return namespace.isEmpty()
                ? head.floor()
                : Math.max(head.floor(), reading(() -> storage.trimmedUpTo(namespace)));
    }

    private static StateException compacted(String what, long floor) {
        return Reason.COMPACTED.because(
                what + " is no longer retained; the oldest revision is " + (floor + 1),
                Map.of("oldest_revision", Long.toString(floor + 1)));
    }

    private static StateException changed(String what, Head head) {
        return Reason.HISTORY_CHANGED.because(
                what + "; the history is now " + head.historyId() + ": start over",
                Map.of("history_id", head.historyId()));
    }

    /** Returns the newest durable revision. */
    public Head head() {
        requireUp();
        return noticed(reading(storage::head));
    }

    /** Returns statistics of the engine. */
    public Info info() {
        Head head = head();
        return new Info(
                head.historyId(),
                head.revision(),
                head.floor() + 1,
                transactions.open(),
                reading(storage::keys),
                reading(storage::bytes));
    }

    /** Returns the number of transactions that timed out. */
    public long expired() {
        return transactions.expired();
    }

    /** Returns the number of open transactions. */
    public int openTransactions() {
        return transactions.open();
    }

    /** Removes history before a point, whose own state remains readable; see {@link Storage#compact}. */
    public void compact(At at) {
        long floor = lastBefore(at);
        if (floor > head().floor()) {
            reading(() -> {
                storage.compact(floor);
                return true;
            });
        }
    }

    private long lastBefore(At at) {
        if (at instanceof At.Revision revision) {
            return revision(new At.Revision(Math.max(0, revision.revision() - 1)));
        }
        return revision(at instanceof At.Time time ? new At.Time(time.time().minus(1, ChronoUnit.MICROS)) : at);
    }

    /**
     * Returns the values that existed at the floor; see {@link Storage#existing}.
     *
     * @param head the head that the caller has read, with the floor
     * @throws StateException COMPACTED if the floor has changed
     */
    public List<Document> existing(Head head, String namespace, String agentId, @Nullable Key after) {
        List<Document> page =
                reading(() -> storage.existing(namespace, agentId, head.floor(), after, MAX_PAGE, MAX_PAGE_BYTES));
        Head unused = requireHistory(head.historyId());
        requireKept(head.floor(), "");
        return page;
    }

    /** Copies the storage; see {@link Storage#backup}. */
    public Path backup() {
        return reading(storage::backup);
    }

    /**
     * Removes everything in a namespace that is older than a point; see {@link Storage#trim}.
     *
     * @throws StateException COMPACTED if nothing of that time is retained
     */
    public void trim(String namespace, At at) {
        long upTo = revision(at);
        if (upTo > 0) {
            reading(() -> {
                storage.trim(namespace, upTo);
                return true;
            });
        }
    }

    /** Returns the oldest revision of a namespace that can be replayed, or, for an empty name, of all namespaces. */
    public long oldest(String namespace) {
        return floor(head(), namespace) + 1;
    }

    /** Rejects control characters, which storages use as separators between names. */
    private static void requireText(String prefix, @Nullable String after) {
        if ((prefix + (after == null ? "" : after)).chars().anyMatch(Character::isISOControl)) {
            throw Reason.INVALID.because("a prefix, a path or a page_token has a control character");
        }
    }

    private interface Reading<T> {
        T read();
    }

    /** Reads from the storage; a failure is recorded as an outage and never returned as an answer. */
    private <T> T reading(Reading<T> reading) {
        requireUp();
        try {
            return reading.read();
        } catch (StateException e) {
            if (e.isOutage()) {
                problem = e;
            }
            throw e;
        }
    }

    /** Commits everything that was submitted, then closes the storage. */
    @Override
    public void close() {
        ticks.shutdownNow();
        writer.end();
        try {
            writerThread.join(CLOSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        problem = Reason.STORE_DOWN.because("the state engine is closed");
        storage.close();
    }
}
