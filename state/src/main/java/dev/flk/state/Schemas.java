// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Document;
import dev.flk.state.fair.FairThreads;
import dev.flk.state.fair.FairThreads.LaneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The JSON Schemas of namespaces. A schema is the value of a key in the namespace {@code flk.schema}: the agent of the
 * key is the namespace to which the schema applies, and the name of the key is {@code schema}. A commit takes effect
 * only if its values are valid by the schema that is in force when the commit is decided, even if another backend has
 * just changed the schema. To ensure this, the values are first checked against the version of the schema that this
 * backend knows. The commit then takes effect only if that version is still the newest. Safe for any thread.
 *
 * <p>A tenant chooses its schemas and values, so each check is bounded by {@link Steps}. A stored schema that can't be
 * compiled refuses only the writes of its namespace.
 */
public final class Schemas implements AutoCloseable {
    /** The namespace of all schemas. */
    public static final String NAMESPACE = "flk.schema";

    /** The prefix of the namespaces that belong to the backend and have no schemas. */
    private static final String RESERVED = "flk.";

    private static final String KEY = "schema";
    private static final int MOST_KNOWN = 1_000;
    /** The maximum number of times that a transaction is checked, if a schema changes during each check. */
    private static final int MOST_CHECKS = 10;

    private static final int CALL_THREADS = 2;
    private static final long MOST_WAITING_BYTES = 32L << 20;

    private final StateEngine engine;
    private final Compiler compiler;
    private final LongSupplier nanoTicker;
    private final FairThreads calls = new FairThreads("state-schemas", CALL_THREADS, MOST_WAITING_BYTES);
    private final AtomicLong callsBegun = new AtomicLong();
    private volatile boolean isClosed;
    private final Map<String, InForce> known = new ConcurrentHashMap<>();

    /** A compiler of schemas. */
    public interface Compiler {
        /**
         * Compiles a schema.
         *
         * @param steps counts the steps of compiling
         * @throws StateException INVALID if the text is not a JSON Schema or takes too many steps; the message says
         *     why. Any other exception of {@code steps}
         */
        Compiled compile(String json, Steps steps);
    }

    /** A compiled schema. Safe for any thread. */
    public interface Compiled {
        /**
         * Returns the first violation by a JSON value; empty if the value is valid. A value that takes too many steps is
         * a violation.
         *
         * @param steps counts the steps of the check, all of them since {@link Steps#next}
         * @throws StateException any exception of {@code steps} except INVALID
         */
        Optional<Violation> violation(String json, Steps steps);
    }

    /**
     * A count of the steps that checks take. The count depends only on schemas and values, so that a value that one
     * backend accepts is accepted by every backend. One step takes about as long as comparing two numbers. A check also
     * ends if its caller has given up, or after a long time, which happens only on a machine that is overloaded. Not
     * safe for concurrent use.
     */
    public static final class Steps {
        /** The maximum number of steps to check one value, or to compile one schema. */
        public static final long MOST = 3_000_000;
        /** The maximum number of steps to check all values of a transaction. */
        static final long MOST_TOGETHER = 6_000_000;

        private static final long MOST_NANOS = TimeUnit.SECONDS.toNanos(30);
        private static final int LOOK_EVERY = 10_000;

        private final BooleanSupplier isCancelled;
        private final LongSupplier nanoTicker;
        private final long beganNanos;
        private long taken;
        private long before;
        private long lookAt;

        /** @param isCancelled whether the caller has given up */
        public Steps(BooleanSupplier isCancelled, LongSupplier nanoTicker) {
            this(isCancelled, nanoTicker, nanoTicker.getAsLong());
        }

        private Steps(BooleanSupplier isCancelled, LongSupplier nanoTicker, long beganNanos) {
            this.isCancelled = isCancelled;
            this.nanoTicker = nanoTicker;
            this.beganNanos = beganNanos;
        }

        /**
         * Returns a separate count for the same call. A transaction uses it to compile a schema that this backend does
         * not know yet, because such steps must not decide whether the values are accepted.
         */
        Steps separate() {
            return new Steps(isCancelled, nanoTicker, beganNanos);
        }

        /** Begins the count for another value or schema. */
        public void next() {
            before += taken;
            taken = 0;
            lookAt = 0;
            take(0);
        }

        /**
         * Counts steps.
         *
         * @throws StateException INVALID if there are too many for one value; TX_TOO_LARGE if there are too many for one
         *     transaction; STORE_DOWN if the caller has given up or the check takes too long
         */
        public void take(long steps) {
            taken += steps;
            if (taken > MOST) {
                throw Reason.INVALID.because("it needs more than " + MOST + " steps");
            }
            if (taken >= lookAt) {
                lookAt = taken + LOOK_EVERY;
                look();
            }
        }

        private void look() {
            if (before + taken > MOST_TOGETHER) {
                throw Reason.TX_TOO_LARGE.because("the values of the transaction need more than " + MOST_TOGETHER
                        + " steps to be checked against schemas; commit it in parts");
            }
            if (isCancelled.getAsBoolean()) {
                throw StateException.gaveUp("the check against a schema was cancelled");
            }
            if (nanoTicker.getAsLong() - beganNanos > MOST_NANOS) {
                throw StateException.gaveUp("the check against a schema took longer than "
                        + TimeUnit.NANOSECONDS.toSeconds(MOST_NANOS) + " s on this machine; try again in a moment");
            }
        }

        private boolean isPageFull() {
            return before + taken >= MOST;
        }
    }

    /**
     * A part of a value that violates a schema.
     *
     * @param path the JSON Pointer of the part; empty for the whole value
     * @param message what the part must be
     */
    public record Violation(String path, String message) {
        @Override
        public String toString() {
            return (path.isEmpty() ? "the value" : path) + " " + message;
        }
    }

    /** A value that violates a schema. */
    public record Violating(StateKey key, long version, Violation violation) {}

    /**
     * The result of checking one page of existing values.
     *
     * @param next the last key that was checked, after which the next page begins; null if this page is empty
     */
    public record Checked(
            List<Violating> violating,
            int checked,
            @Nullable StateKey next) {}

    /**
     * @param version the version of the key that contains the schema; 0 if there is no schema
     * @param mistake the reason why the stored schema can't be used; null if it can
     */
    private record InForce(
            long version,
            @Nullable Compiled schema,
            @Nullable StateException mistake) {
        static final InForce NONE = new InForce(0, null, null);

        /** @throws StateException INVALID if the value violates the schema, or the schema can't be used */
        void require(Operation.Write write, Steps steps) {
            if (mistake != null) {
                throw Reason.INVALID.because(write.key() + ": version " + version + " of the schema of namespace "
                        + write.key().namespace() + " can't be used, so no value can be written until the schema is"
                        + " replaced or deleted: " + mistake.getMessage());
            }
            if (schema != null) {
                steps.next();
                schema.violation(write.json(), steps).ifPresent(violation -> {
                    throw Reason.INVALID.because(
                            write.key() + ": the value violates the schema of the namespace: " + violation,
                            Map.of("path", violation.path()));
                });
            }
        }
    }

    Schemas(StateEngine engine, Compiler compiler, LongSupplier nanoTicker) {
        this.engine = engine;
        this.compiler = compiler;
        this.nanoTicker = nanoTicker;
    }

    static StateKey key(String namespace) {
        return new StateKey(NAMESPACE, namespace, KEY);
    }

    /** Returns whether an error is a conflict with a new version of a schema. */
    static boolean isOutdated(StateException e) {
        return e.reason() == Reason.VERSION_CONFLICT
                && NAMESPACE.equals(e.details().get("namespace"));
    }

    /** Returns whether an operation writes a value that a schema may forbid. */
    private static boolean mayHaveSchema(Operation operation) {
        return operation instanceof Operation.Write
                && !operation.key().namespace().startsWith(RESERVED);
    }

    /**
     * Returns the conditions of {@link #check}, if none of the written namespaces has a schema; null if one has a
     * schema, or if this is not known. Does not block.
     */
    @Nullable
    List<Operation> conditionsWithoutCheck(List<Operation> operations) {
        Set<String> namespaces = Set.of();
        for (Operation operation : operations) {
            String namespace = operation.key().namespace();
            if (!mayHaveSchema(operation) || namespaces.contains(namespace)) {
                continue;
            }
            if (!InForce.NONE.equals(known.get(namespace))) {
                return null;
            }
            if (namespaces.isEmpty()) {
                namespaces = new TreeSet<>();
            }
            namespaces.add(namespace);
        }
        return namespaces.stream().map(namespace -> condition(namespace, 0)).toList();
    }

    private static Operation condition(String namespace, long version) {
        return new Operation.Check(key(namespace), version);
    }

    /**
     * Checks the values of a transaction against the schemas of their namespaces.
     *
     * @param isCancelled whether the caller has given up
     * @return conditions to decide together with the transaction; each condition requires that a schema used in this
     *     check still has the same version
     * @throws StateException INVALID if a value violates the schema of its namespace or needs too many steps;
     *     TX_TOO_LARGE if all values together need too many steps; STORE_DOWN if the check ended early
     */
    List<Operation> check(List<Operation> operations, BooleanSupplier isCancelled) {
        Steps steps = new Steps(isCancelled, nanoTicker);
        for (int checks = 1; ; checks++) {
            Map<String, InForce> used = new TreeMap<>();
            try {
                for (Operation operation : operations) {
                    if (mayHaveSchema(operation)) {
                        used.computeIfAbsent(operation.key().namespace(), namespace -> inForce(namespace, steps))
                                .require((Operation.Write) operation, steps);
                    }
                }
                List<Operation> conditions = new ArrayList<>();
                used.forEach((namespace, schema) -> conditions.add(condition(namespace, schema.version())));
                return conditions;
            } catch (StateException e) {
                if (e.reason() != Reason.INVALID || checks == MOST_CHECKS || isNewest(used)) {
                    throw e;
                }
                used.keySet().forEach(known::remove);
            }
        }
    }

    private boolean isNewest(Map<String, InForce> used) {
        return used.entrySet().stream().allMatch(each -> each.getValue().version() == newestVersion(each.getKey()));
    }

    /**
     * Runs a call that compiles a schema or checks values, on threads of their own that callers share fairly.
     *
     * @param weight the approximate size of the call in memory, in bytes
     * @param call receives the condition that the caller has given up
     */
    public <T> CompletionStage<T> inTurn(
            String caller,
            String namespace,
            long weight,
            BooleanSupplier isCancelled,
            Function<BooleanSupplier, T> call) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        long order = callsBegun.incrementAndGet();
        FairThreads.Task task = new FairThreads.Task() {
            @Override
            public long weight() {
                return weight;
            }

            @Override
            public long order() {
                return order;
            }

            @Override
            public boolean run() {
                try {
                    answer.complete(call.apply(() -> isClosed || isCancelled.getAsBoolean()));
                } catch (RuntimeException | Error e) {
                    answer.completeExceptionally(e);
                }
                return true;
            }

            @Override
            public void drop() {
                answer.completeExceptionally(Reason.STORE_DOWN.because("the state engine is closed"));
            }
        };
        if (!calls.run(new LaneId(caller, namespace), task)) {
            answer.completeExceptionally(
                    Reason.TOO_MANY_TX.because("too many calls about schemas wait; try again in a moment"));
        }
        return answer;
    }

    /** Ends the calls of {@link #inTurn}. */
    @Override
    public void close() {
        isClosed = true;
        calls.close();
    }

    /** Forgets all schemas, because another history may have other schemas under the same versions. */
    void forgetAll() {
        known.clear();
    }

    private InForce inForce(String namespace, Steps steps) {
        InForce schema = known.get(namespace);
        if (schema == null) {
            if (known.size() >= MOST_KNOWN) {
                known.clear();
            }
            schema = read(namespace, steps.separate());
            known.put(namespace, schema);
        }
        return schema;
    }

    private InForce read(String namespace, Steps steps) {
        Optional<Version> newest = newest(namespace);
        if (newest.isEmpty()) {
            return InForce.NONE;
        }
        long version = newest.get().version();
        try {
            steps.next();
            return new InForce(
                    version,
                    compiler.compile(Objects.requireNonNull(newest.get().json()), steps),
                    null);
        } catch (StateException e) {
            if (e.reason() != Reason.INVALID) {
                throw e;
            }
            return new InForce(version, null, e);
        }
    }

    private long newestVersion(String namespace) {
        return newest(namespace).map(Version::version).orElse(0L);
    }

    private Optional<Version> newest(String namespace) {
        return engine.reading(reads -> reads.newest(List.of(key(namespace)), Long.MAX_VALUE))
                .get(0)
                .filter(version -> !version.isDeleted());
    }

    /** Forgets the schemas of these conditions, because one of the schemas has changed. */
    void forget(List<Operation> conditions) {
        conditions.forEach(condition -> known.remove(condition.key().agentId()));
    }

    /** Returns the schema of a namespace; empty if the namespace has none. */
    public Optional<Version> get(String namespace) {
        StateKey.requireNamespace(namespace);
        engine.requireUp();
        return newest(namespace);
    }

    /**
     * Returns the operation that sets the schema of a namespace. The schema applies to later writes; {@link
     * #check(String, String, StateKey, BooleanSupplier)} finds existing values that violate the schema.
     *
     * @param isCancelled whether the caller has given up
     * @throws StateException INVALID if the text is not a JSON Schema, or takes too many steps to compile
     */
    public Operation set(String namespace, String json, long ifVersion, BooleanSupplier isCancelled) {
        requireOrdinary(namespace);
        Operation.Write write = engine.write(key(namespace), json, ifVersion);
        Compiled unused = compiler.compile(write.json(), new Steps(isCancelled, nanoTicker));
        return write;
    }

    /** Returns the operation that removes the schema of a namespace. */
    public Operation delete(String namespace, long ifVersion) {
        requireOrdinary(namespace);
        return new Operation.Delete(key(namespace), ifVersion);
    }

    private static void requireOrdinary(String namespace) {
        StateKey.requireNamespace(namespace);
        if (namespace.startsWith(RESERVED)) {
            throw Reason.INVALID.because("namespace " + namespace + " is the backend's own and can't have a schema");
        }
    }

    /**
     * Checks one page of the newest values of a namespace, at most {@link StateEngine#MAX_PAGE} values. The page ends
     * early if its values need many steps.
     *
     * @param json the schema; empty for the schema in force
     * @param after {@link Checked#next} of the previous page; null for the first page
     * @param isCancelled whether the caller has given up
     * @throws StateException INVALID if the text is not a JSON Schema, or is empty and the namespace has no schema
     */
    public Checked check(String namespace, String json, @Nullable StateKey after, BooleanSupplier isCancelled) {
        requireOrdinary(namespace);
        engine.requireUp();
        Compiled schema = compiled(namespace, json, new Steps(isCancelled, nanoTicker));
        Steps steps = new Steps(isCancelled, nanoTicker);
        List<Violating> violating = new ArrayList<>();
        StateKey last = null;
        int checked = 0;
        for (Document value : engine.reads().values(namespace, "", after)) {
            steps.next();
            schema.violation(Objects.requireNonNull(value.version().json()), steps)
                    .ifPresent(violation -> violating.add(
                            new Violating(value.key(), value.version().version(), violation)));
            checked++;
            last = value.key();
            if (steps.isPageFull()) {
                break;
            }
        }
        return new Checked(violating, checked, last);
    }

    private Compiled compiled(String namespace, String json, Steps steps) {
        if (!json.isEmpty()) {
            return compiler.compile(json, steps);
        }
        InForce stored = read(namespace, steps);
        if (stored.mistake() != null) {
            throw stored.mistake();
        }
        if (stored.schema() == null) {
            throw Reason.INVALID.because("namespace " + namespace + " has no schema; send the schema to check");
        }
        return stored.schema();
    }
}
