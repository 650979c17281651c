// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Document;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The JSON Schemas of namespaces. A schema is the value of a key in the namespace {@code flk.schema}: the agent of the
 * key is the namespace to which the schema applies, and the name of the key is {@code schema}. A commit takes effect
 * only if its values are valid by the schema that is in force when the commit is decided, even if another backend has
 * just changed the schema. To ensure this, the values are first checked against the version of the schema that this
 * backend knows. The commit then takes effect only if that version is still the newest. Safe for any thread.
 *
 * <p>Compiling takes time in proportion to the schema, and a check in proportion to the value, so both run on the
 * threads of their callers. A stored schema that can't be compiled refuses only the writes of its namespace.
 */
public final class Schemas {
    /** The namespace of all schemas. */
    public static final String NAMESPACE = "flk.schema";

    /** The prefix of the namespaces that belong to the backend and have no schemas. */
    private static final String RESERVED = "flk.";

    private static final String KEY = "schema";
    private static final int MOST_KNOWN = 1_000;
    /** The maximum length of the texts of all known schemas; a compiled schema takes up to 20 bytes for a character. */
    private static final int MOST_KNOWN_CHARS = 512 << 10;

    /** The maximum number of times that a transaction is checked, if a schema changes during each check. */
    private static final int MOST_CHECKS = 10;

    private final StateEngine engine;
    private final Compiler compiler;
    private final Map<String, InForce> known = new ConcurrentHashMap<>();

    /** A compiler of schemas. */
    public interface Compiler {
        /**
         * Compiles a schema.
         *
         * @throws StateException INVALID if the text is not a JSON Schema; the message says why
         */
        Compiled compile(String json);
    }

    /** A compiled schema. Safe for any thread. */
    public interface Compiled {
        /** Returns the first violation by a JSON value; empty if the value is valid. */
        Optional<Violation> violation(String json);
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
     * @param chars the length of the text of the schema
     * @param mistake the reason why the stored schema can't be used; null if it can
     */
    private record InForce(
            long version,
            int chars,
            @Nullable Compiled schema,
            @Nullable StateException mistake) {
        static final InForce NONE = new InForce(0, 0, null, null);

        /** @throws StateException INVALID if the value violates the schema, or the schema can't be used */
        void require(Operation.Write write) {
            if (mistake != null) {
                throw Reason.INVALID.because(write.key() + ": version " + version + " of the schema of namespace "
                        + write.key().namespace() + " can't be used, so no value can be written until the schema is"
                        + " replaced or deleted: " + mistake.getMessage());
            }
            if (schema != null) {
                schema.violation(write.json()).ifPresent(violation -> {
                    throw Reason.INVALID.because(
                            write.key() + ": the value violates the schema of the namespace: " + violation,
                            Map.of("path", violation.path()));
                });
            }
        }
    }

    Schemas(StateEngine engine, Compiler compiler) {
        this.engine = engine;
        this.compiler = compiler;
    }

    static StateKey key(String namespace) {
        return new StateKey(NAMESPACE, namespace, KEY);
    }

    /** Returns whether an error is a conflict with a new version of one of the schemas that were used for a check. */
    static boolean isOutdated(StateException e, List<Operation> conditions) {
        return e.reason() == Reason.VERSION_CONFLICT
                && NAMESPACE.equals(e.details().get("namespace"))
                && conditions.stream()
                        .anyMatch(
                                each -> each.key().agentId().equals(e.details().get("agent_id")));
    }

    /** Returns whether an operation writes a value that a schema may forbid. */
    private static boolean mayHaveSchema(Operation operation) {
        return operation instanceof Operation.Write
                && !operation.key().namespace().startsWith(RESERVED);
    }

    private static Operation condition(String namespace, long version) {
        return new Operation.Check(key(namespace), version);
    }

    /**
     * Checks the values of a transaction against the schemas of their namespaces.
     *
     * @return conditions to decide together with the transaction; each condition requires that a schema used in this
     *     check still has the same version
     * @throws StateException INVALID if a value violates the schema of its namespace
     */
    List<Operation> check(List<Operation> operations) {
        for (int checks = 1; ; checks++) {
            Map<String, InForce> used = new TreeMap<>();
            try {
                for (Operation operation : operations) {
                    if (mayHaveSchema(operation)) {
                        used.computeIfAbsent(operation.key().namespace(), this::inForce)
                                .require((Operation.Write) operation);
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

    /** Forgets all schemas, because another history may have other schemas under the same versions. */
    void forgetAll() {
        known.clear();
    }

    private InForce inForce(String namespace) {
        InForce schema = known.get(namespace);
        if (schema == null) {
            schema = read(namespace);
            long chars = schema.chars()
                    + known.values().stream().mapToLong(InForce::chars).sum();
            if (known.size() >= MOST_KNOWN || chars > MOST_KNOWN_CHARS) {
                known.clear();
            }
            known.put(namespace, schema);
        }
        return schema;
    }

    private InForce read(String namespace) {
        Optional<Version> newest = newest(namespace);
        if (newest.isEmpty()) {
            return InForce.NONE;
        }
        long version = newest.get().version();
        String json = Objects.requireNonNull(newest.get().json());
        try {
            return new InForce(version, json.length(), compiler.compile(json), null);
        } catch (StateException e) {
            if (e.reason() != Reason.INVALID) {
                throw e;
            }
            return new InForce(version, 0, null, e);
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
     * #check(String, String, StateKey)} finds existing values that violate the schema.
     *
     * @throws StateException INVALID if the text is not a JSON Schema
     */
    public Operation set(String namespace, String json, long ifVersion) {
        requireOrdinary(namespace);
        Operation.Write write = engine.write(key(namespace), json, ifVersion);
        Compiled unused = compiler.compile(write.json());
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
     * Checks one page of the newest values of a namespace, at most {@link StateEngine#MAX_PAGE} values.
     *
     * @param json the schema; empty for the schema in force
     * @param after {@link Checked#next} of the previous page; null for the first page
     * @throws StateException INVALID if the text is not a JSON Schema, or is empty and the namespace has no schema
     */
    public Checked check(String namespace, String json, @Nullable StateKey after) {
        requireOrdinary(namespace);
        engine.requireUp();
        Compiled schema = compiled(namespace, json);
        List<Violating> violating = new ArrayList<>();
        StateKey last = null;
        int checked = 0;
        for (Document value : engine.reads().values(namespace, "", after)) {
            schema.violation(Objects.requireNonNull(value.version().json()))
                    .ifPresent(violation -> violating.add(
                            new Violating(value.key(), value.version().version(), violation)));
            checked++;
            last = value.key();
        }
        return new Checked(violating, checked, last);
    }

    private Compiled compiled(String namespace, String json) {
        if (!json.isEmpty()) {
            return compiler.compile(json);
        }
        InForce stored = read(namespace);
        if (stored.mistake() != null) {
            throw stored.mistake();
        }
        if (stored.schema() == null) {
            throw Reason.INVALID.because("namespace " + namespace + " has no schema; send the schema to check");
        }
        return stored.schema();
    }
}
