// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Document;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The JSON Schemas of namespaces. A schema is the value of a key in the namespace {@code flk.schema}: the agent of the
 * key is the namespace to which the schema applies, and the name of the key is {@code schema}. A commit takes effect
 * only if its values are valid by the schema that is in force when the commit is decided, even if another backend has
 * just changed the schema. To ensure this, the values are first checked against the version of the schema that this
 * backend knows. The commit then takes effect only if that version is still the newest. Safe for any thread.
 */
public final class Schemas {
    /** The namespace of all schemas. */
    public static final String NAMESPACE = "flk.schema";

    /** The prefix of the namespaces that belong to the backend and have no schemas. */
    private static final String RESERVED = "flk.";

    private static final String KEY = "schema";
    private static final int MOST_KNOWN = 1_000;

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

    /** @param version the version of the key that contains the schema; 0 if there is no schema */
    private record InForce(long version, @Nullable Compiled schema) {
        Optional<Violation> violation(String json) {
            return schema == null ? Optional.empty() : schema.violation(json);
        }
    }

    Schemas(StateEngine engine, Compiler compiler) {
        this.engine = engine;
        this.compiler = compiler;
    }

    static StateKey key(String namespace) {
        return new StateKey(NAMESPACE, namespace, KEY);
    }

    /** Returns whether an error is a conflict with a new version of a schema. */
    static boolean isOutdated(StateException e) {
        return e.reason() == Reason.VERSION_CONFLICT
                && NAMESPACE.equals(e.details().get("namespace"));
    }

    /**
     * Checks the values of a transaction against the schemas of their namespaces.
     *
     * @return conditions to decide together with the transaction; each condition requires that a schema used in this
     *     check still has the same version
     * @throws StateException INVALID if a value violates the schema of its namespace
     */
    List<Operation> check(List<Operation> operations) {
        Map<String, InForce> used = new LinkedHashMap<>();
        for (Operation operation : operations) {
            String namespace = operation.key().namespace();
            if (operation instanceof Operation.Write write && !namespace.startsWith(RESERVED)) {
                InForce schema = used.computeIfAbsent(namespace, this::inForce);
                Optional<Violation> violation = schema.violation(write.json());
                if (violation.isPresent() && schema.version() != newestVersion(namespace)) {
                    known.remove(namespace);
                    return check(operations);
                }
                if (violation.isPresent()) {
                    throw Reason.INVALID.because(
                            write.key() + ": the value violates the schema of the namespace: " + violation.get(),
                            Map.of("path", violation.get().path()));
                }
            }
        }
        List<Operation> conditions = new ArrayList<>();
        used.forEach((namespace, schema) -> conditions.add(new Operation.Check(key(namespace), schema.version())));
        return conditions;
    }

    /** Forgets all schemas, because another history may have other schemas under the same versions. */
    void forgetAll() {
        known.clear();
    }

    private InForce inForce(String namespace) {
        InForce schema = known.get(namespace);
        if (schema == null) {
            if (known.size() >= MOST_KNOWN) {
                known.clear();
            }
            schema = read(namespace);
            known.put(namespace, schema);
        }
        return schema;
    }

    private InForce read(String namespace) {
        Optional<Version> newest = newest(namespace);
        return newest.isEmpty()
                ? new InForce(0, null)
                : new InForce(
                        newest.get().version(),
                        compiler.compile(Objects.requireNonNull(newest.get().json())));
    }

    private long newestVersion(String namespace) {
        return newest(namespace).map(Version::version).orElse(0L);
    }

    private Optional<Version> newest(String namespace) {
        return engine.reading(reads -> reads.newest(List.of(key(namespace)), Long.MAX_VALUE))
                .get(0)
                .filter(version -> !version.isDeleted());
    }

    /** Forgets the known schemas of the namespaces of these operations, because one of the schemas has changed. */
    void forget(List<Operation> operations) {
        new TreeSet<>(operations.stream()
                        .map(operation -> operation.key().namespace())
                        .collect(Collectors.toSet()))
                .forEach(known::remove);
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
        Compiled schema = json.isEmpty() ? read(namespace).schema() : compiler.compile(json);
        if (schema == null) {
            throw Reason.INVALID.because("namespace " + namespace + " has no schema; send the schema to check");
        }
        List<Violating> violating = new ArrayList<>();
        List<Document> page = engine.reads().values(namespace, "", after);
        for (Document value : page) {
            schema.violation(Objects.requireNonNull(value.version().json()))
                    .ifPresent(violation -> violating.add(
                            new Violating(value.key(), value.version().version(), violation)));
        }
        return new Checked(
                violating,
                page.size(),
                page.isEmpty() ? null : page.get(page.size() - 1).key());
    }
}
