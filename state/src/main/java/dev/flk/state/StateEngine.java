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
 * State of agents on one {@link Storage}: transactions, reads at any revision that is kept, replay. A commit is answered when it is
 * on disk; a read that begins after that sees it. Safe for any thread; everything that is refused is a {@link StateException}.
 *
 * <p>Threads: one that commits, and one that ends transactions whose time is over and tries a failed storage again. Reads run on
 * their caller's.
 */
public final class StateEngine implements AutoCloseable {
    /** For how long the answer to a request is told again. */
    public static final Duration REQUESTS_REMEMBERED = Duration.ofMinutes(15);

    private static final long REMEMBERED_MICROS = TimeUnit.MINUTES.toMicros(REQUESTS_REMEMBERED.toMinutes());

    /** What a list, a history or a replay hands out at once, at the most, unless one entry is longer. */
    public static final long MAX_PAGE_BYTES = 2L << 20;

    /** Entries of a list, and keys of one reading, at the most. */
    public static final int MAX_PAGE = 1_000;

    /** Of the values of one reading of several keys: default gRPC clients take 4 MiB. */
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
    /** The difference between elapsed time and the ticker, set when the storage is first opened. */
    private volatile @Nullable Long elapsedOffsetMicros;
    /** The last time the history got another id because answered commits are missing; null: never. */
    private volatile @Nullable String missing;

    private final AtomicLong timesMissing = new AtomicLong();

    /**
     * How much is taken.
     *
     * @param maxValueBytes of one value in UTF-8
     * @param txTimeout of a transaction, at most and by default
     * @param maxOpenTx at a time
     * @param maxStagedBytes of all open transactions together, and as much again of commits that wait
     * @param minFreeBytes with less than this left on the disk, nothing is committed
     */
    public record Settings(
            int maxValueBytes, Duration txTimeout, int maxOpenTx, long maxStagedBytes, long minFreeBytes) {
        /** The defaults of the contract. */
        public static Settings defaults() {
            return new Settings(1 << 20, Duration.ofSeconds(30), 1_024, 64L << 20, 512L << 20);
        }
    }

    /** A transaction that was opened, and when it ends by itself. */
    public record Begun(String txId, Instant expiresAt) {}

    /**
     * The place in a history after which events are read.
     *
     * @param committedAtMicros of the revision, by which it is recognised; null: a token of version 0.1, which lacks it
     */
    public record Token(
            String historyId, long revision, @Nullable Long committedAtMicros) {
        /** A token of version 0.1. */
        public Token(String historyId, long revision) {
            this(historyId, revision, null);
        }
    }

    /** A point in history. */
    public sealed interface At {
        /** The newest revision. */
        record Now() implements At {}

        record Revision(long revision) implements At {}

        /** The last revision that was committed at this time or before. */
        record Time(Instant time) implements At {}
    }

    /** What reading a key found. */
    public sealed interface Found {
        /** Nobody wrote it, up to then. */
        record Absent() implements Found {}

        record Deleted(Version version) implements Found {}

        /** The version was there, and is not kept any more. */
        record Compacted() implements Found {}

        record Present(Version version) implements Found {}
    }

    /** What was read of keys, in their order, all at one revision. */
    public record Read(long revision, List<Found> found) {}

    /**
     * A part of the events.
     *
     * @param next the revision to go on from
     * @param lastAtMicros when the revision before that was committed; 0 if none was read
     */
    public record Events(List<Event> events, long next, long lastAtMicros) {}

    /**
     * Of the engine as a whole.
     *
     * @param keys with those that are deleted, about
     */
    public record Info(
            String historyId, long newestRevision, long oldestRevision, int openTransactions, long keys, long bytes) {}

    /**
     * An engine that begins to open its storage.
     *
     * @param clock wall time, of commits
     * @param nanoTicker monotonic time, of time-outs
     * @param freeBytes of the storage's disk
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
     * Opens the storage and takes calls; until it is open, they are refused with STARTING.
     *
     * @return completed when it is open, or could not be opened, as {@link #problem} says then
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
     * Elapsed time begins at the wall clock's, and goes on where the process before was when it gave its last answer: then each answer
     * is remembered for its time, and no longer, whatever the wall clock did between them.
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

    /** The time by which answers expire. */
    private long elapsedMicros() {
        return Objects.requireNonNull(elapsedOffsetMicros, "the storage was opened") + tickerMicros();
    }

    private void published(Head head) {
        String before = watches.publish(head.historyId(), head.revision());
        if (!before.isEmpty() && !before.equals(head.historyId())) {
            transactions.endAll(head.historyId());
        }
    }

    /** A storage may come back with another history: then replays are woken, and what was said of transactions is void. */
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
            later(() -> noticed(storage.head())); // replays that wait hear of another history also while nobody calls
        }
        if (met == null && tick % FORGET_EVERY_TICKS == 0) {
            later(this::forget);
        }
    }

    /** Commits go in between. */
    private void forget() {
        if (forgetAnswers()) {
            later(this::forget);
        }
    }

    /** See {@link Storage#forgetAnswers}. */
    boolean forgetAnswers() {
        return storage.forgetAnswers(elapsedMicros());
    }

    /** On the writer's thread. */
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

    /** What is wrong with the storage, for those who look after it; empty: nothing. */
    public Optional<StateException> problem() {
        return Optional.ofNullable(problem);
    }

    /** The cause why commits that were answered are missing, or may be, and the history has another id; empty: nothing was lost. */
    public Optional<String> missing() {
        return Optional.ofNullable(missing);
    }

    /** How often commits that were answered were found missing. */
    public long timesMissing() {
        return timesMissing.get();
    }

    /** Set while nothing is committed for want of room on the disk, though all can be read. */
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

    /** Microseconds since the epoch, of times from the year 1 to 9999. */
    public static long micros(Instant time) {
        // not by way of nanoseconds, of which a long holds three centuries
        return Math.addExact(Math.multiplyExact(time.getEpochSecond(), 1_000_000), time.getNano() / 1_000);
    }

    /** The inverse of {@link #micros}. */
    public static Instant time(long micros) {
        return Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
    }

    /**
     * Opens a transaction; it ends by itself.
     *
     * @param caller who may go on with it
     * @param timeout null: the longest
     */
    public Begun begin(String caller, @Nullable Duration timeout) {
        requireUp();
        return transactions.begin(caller, timeout);
    }

    /** A value as it will be kept. */
    public Operation.Write write(Key key, String json, long ifVersion) {
        return new Operation.Write(key, ValueText.compact(json, settings.maxValueBytes()), ifVersion);
    }

    /** Adds to an open transaction. Writes are made by {@link #write}. */
    public void stage(String caller, String txId, Operation operation) {
        requireUp();
        transactions.stage(caller, txId, operation);
    }

    /**
     * Commits what was staged, all or nothing; the transaction ends in any case.
     *
     * @param requestId empty: none
     */
    public CompletionStage<Committed> commit(String caller, String txId, String requestId) {
        return behindItsFirst(caller, txId, () -> commitOnce(caller, txId, requestId));
    }

    /** What a second end is told depends on what becomes of the first. */
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
            otherwise = e; // unless it was committed under this request
        }
        return submit(new PendingCommit(operations, request, "tx " + txId, otherwise, answer));
    }

    /** Forgets it; refused if it was committed. */
    public CompletionStage<Void> abort(String caller, String txId) {
        return behindItsFirst(caller, txId, () -> {
            transactions.abort(caller, txId);
            return CompletableFuture.completedFuture(null);
        });
    }

    /**
     * A whole transaction at once. Writes are made by {@link #write}.
     *
     * @param requestId empty: none
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
     * Reads keys, all at one revision.
     *
     * @throws StateException INVALID: too many; COMPACTED; HISTORY_CHANGED: the revision is not there yet
     */
    public Read get(List<Key> keys, At at) {
        if (keys.size() > MAX_PAGE) {
            throw Reason.INVALID.because("more than " + MAX_PAGE + " keys in one reading: " + keys.size());
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
                        "the values are longer than " + MAX_READ_BYTES + " together; ask for fewer keys");
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
        long above = Math.max(version, version + 1); // there is none above the last of all
        List<Version> upTo = reading(() -> storage.history(key, above, 1, 0));
        Found found;
        if (upTo.isEmpty()) {
            // what a key's versions begin with shows that it was compacted
            List<Version> newest = reading(() -> storage.history(key, Long.MAX_VALUE, 1, 0));
            found = newest.isEmpty() ? new Found.Absent() : new Found.Compacted();
        } else {
            found = upTo.get(0).version() == version ? found(upTo.get(0)) : new Found.Absent();
        }
        return new Read(revision, List.of(found));
    }

    /**
     * The versions of a key, newest first.
     *
     * @param below only versions below this one
     * @param limit 1 to {@link #MAX_PAGE}
     */
    public List<Version> history(Key key, long below, int limit) {
        requireUp();
        return reading(() -> storage.history(key, below, Math.min(limit, MAX_PAGE), MAX_PAGE_BYTES));
    }

    /** The keys of an agent that exist at a point in history, in order. */
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

    /** Reads of now read again at the newest revision when a compaction overtakes them. */
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

    /** The agents of a namespace that have keys, in order. */
    public Page<String> agents(String namespace, String prefix, @Nullable String after, int limit) {
        Key.requireNamespace(namespace);
        requireText(prefix, after);
        requireUp();
        return reading(() -> storage.agents(namespace, prefix, after, Math.min(limit, MAX_PAGE)));
    }

    /** The namespaces that have keys, in order. */
    public Page<String> namespaces(String prefix, @Nullable String after, int limit) {
        requireText(prefix, after);
        requireUp();
        return reading(() -> storage.namespaces(prefix, after, Math.min(limit, MAX_PAGE)));
    }

    /**
     * Keys whose newest value matches an SQL/JSON path; see {@link Storage#find}.
     *
     * @param agentId empty: of all agents
     */
    public Page<Document> find(String namespace, String agentId, String jsonPath, @Nullable String after, int limit) {
        Key.requireNamespace(namespace);
        if (!agentId.isEmpty()) {
            Key.requireAgentId(agentId);
        }
        requireText(jsonPath, null);
        if (after != null && !after.matches("[^\\p{Cntrl}]+\0[^\\p{Cntrl}]+")) {
            throw Reason.INVALID.because("the page_token is none of a Find's");
        }
        requireUp();
        return reading(
                () -> storage.find(namespace, agentId, jsonPath, after, Math.min(limit, MAX_PAGE), MAX_PAGE_BYTES));
    }

    /**
     * A part of the events, those that pass the filter.
     *
     * @param historyId the history that is read
     * @param from the first revision
     * @param to the first one that is left out, or later than the newest
     * @param namespace the only one of which changes are wanted; empty: any, and those that were trimmed are missing
     * @param wanted which changes
     * @param maxBytes ends it, but not before its first event
     * @return as much as is read at once; {@code next} is {@code to}, or behind the newest, at the end
     * @throws StateException COMPACTED; HISTORY_CHANGED: it is another history now
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
     * Calls {@code told} once, as soon as a revision of the history above this one is durable, or the history is another one; on the
     * writer's thread, which it must not keep, or at once.
     *
     * @return ends it before
     */
    public Runnable whenBeyond(String historyId, long revision, Runnable told) {
        return watches.whenBeyond(historyId, revision, told);
    }

    /** How many wait for a revision. */
    public int watches() {
        return watches.count();
    }

    /**
     * Returns the revision after which a replay with a token continues. Of compacted revisions after the token, nothing that the replay
     * selects may have been changed.
     *
     * @param namespace empty: any
     * @param agentId empty: any
     * @param wanted which changes; the same for all keys of an agent
     * @throws StateException HISTORY_CHANGED: it is of another history, or not there yet; COMPACTED
     */
    public long resume(Token token, String namespace, String agentId, Predicate<Key> wanted) {
        Head head = requireHistory(token.historyId());
        if (token.revision() > head.revision()) {
            throw changed("revision " + token.revision() + " is not there; the newest is " + head.revision(), head);
        }
        Long tokenMicros = token.committedAtMicros();
        if (tokenMicros != null && !isCommittedAt(head, token.revision(), tokenMicros)) {
            throw changed("revision " + token.revision() + " is another commit than the token's", head);
        }
        long floor = floor(head, namespace);
        if (token.revision() >= floor) {
            return token.revision();
        }
        if (reading(() -> storage.isChanged(namespace, agentId, wanted, token.revision(), floor))) {
            throw compacted("what was committed after revision " + token.revision(), floor);
        }
        return floor;
    }

    /** Also true of a revision that is not kept any more. */
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
            throw changed("history " + historyId + " is not continued", head);
        }
        return head;
    }

    /** The revision that stands for a point in history, whatever is kept of it. */
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
        if (revision < 0 || revision > head.revision()) {
            throw changed("revision " + revision + " is not there; the newest is " + head.revision(), head);
        }
        return revision;
    }

    /**
     * The first revision that was committed at a point in history or later, for the beginning of a replay and its end; the one
     * behind the newest, if none was.
     */
    public long firstAt(At at) {
        Head head = head();
        if (at instanceof At.Revision revision) {
            if (revision.revision() < 0) {
                throw Reason.INVALID.because("a revision is negative: " + revision.revision());
            }
            return Math.max(1, revision.revision()); // at 0 there was nothing
        }
        if (at instanceof At.Time time) {
            long micros = micros(time.time());
            if (micros <= head.floorAtMicros() && head.floor() > 0) {
                throw compacted("what was committed from " + time.time() + " on", head.floor());
            }
            return reading(() -> storage.revisionAt(micros - 1)) + 1;
        }
        return head.revision() + 1;
    }

    /** Before the first commit of a history that was not compacted, nothing existed. */
    private static void requireKept(Instant time, Head head) {
        if (head.floor() > 0 && micros(time) < head.floorAtMicros()) {
            throw compacted("what stood at " + time, head.floor());
        }
    }

    /** Reads beside a removal are judged when they have read. */
    private void requireKept(long revision, String namespace) {
        long floor = floor(head(), namespace);
        if (revision < floor) {
            throw compacted("what stood at revision " + revision, floor);
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
                what + " is not kept any more; the oldest revision is " + (floor + 1),
                Map.of("oldest_revision", Long.toString(floor + 1)));
    }

    private static StateException changed(String what, Head head) {
        return Reason.HISTORY_CHANGED.because(
                what + "; the history is now " + head.historyId() + ": begin anew",
                Map.of("history_id", head.historyId()));
    }

    /** What is durable now. */
    public Head head() {
        requireUp();
        return noticed(reading(storage::head));
    }

    /** Of the engine as a whole. */
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

    /** How many transactions ended by themselves. */
    public long expired() {
        return transactions.expired();
    }

    /** How many are open. */
    public int openTransactions() {
        return transactions.open();
    }

    /** Removes history before a point, which itself stays; see {@link Storage#compact}. */
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
     * What stood at the floor; see {@link Storage#existing}.
     *
     * @param head what the caller knows of the floor
     * @throws StateException COMPACTED: it is another one by now
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
     * Removes all of a namespace that is older; see {@link Storage#trim}.
     *
     * @throws StateException COMPACTED: nothing is kept of that time
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

    /** The oldest revision that can be replayed, of a namespace; empty: of all. */
    public long oldest(String namespace) {
        return floor(head(), namespace) + 1;
    }

    /** No name has a control character, which storages put between names. */
    private static void requireText(String prefix, @Nullable String after) {
        if ((prefix + (after == null ? "" : after)).chars().anyMatch(Character::isISOControl)) {
            throw Reason.INVALID.because("a prefix, a path or a page_token has a control character");
        }
    }

    private interface Reading<T> {
        T read();
    }

    /** A failed read is an outage as well: it is never an answer. */
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

    /** Commits what was submitted, then closes the storage. */
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
