// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.state.Operation;
import dev.flk.state.StateKey;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A caller and its rights to the state. Namespaces that begin with {@code flk.} belong to the backend, so no caller may
 * write to them.
 *
 * @param name a unique name, which identifies the caller's transactions and requests
 * @param tokenSha256 the digest of the token in hex; empty for a caller without a token
 */
record Caller(String name, String tokenSha256, List<Grant> grants) {
    /** The caller of a port without tokens. */
    static final Caller ANYONE = new Caller("", "", List.of(new Grant("", "", true, true)));

    /** A caller that presents no valid token to a port that requires tokens. Such a caller may only check health. */
    static final Caller STRANGER = new Caller("", "", List.of());

    /** The caller of the current call. */
    static final Context.Key<Caller> CURRENT = Context.keyWithDefault("caller", ANYONE);

    private static final String OWN_NAMESPACES = "flk.";

    Caller {
        grants = List.copyOf(grants);
    }

    /**
     * A right.
     *
     * @param namespace the namespace; empty for any
     * @param agentPrefix the prefix of the ids of the agents to which the right applies
     */
    record Grant(String namespace, String agentPrefix, boolean reads, boolean writes) {
        private boolean covers(String ofNamespace, String agentId) {
            return isOf(ofNamespace) && agentId.startsWith(agentPrefix);
        }

        private boolean isOf(String ofNamespace) {
            return namespace.isEmpty() || namespace.equals(ofNamespace);
        }
    }

    boolean mayRead(String namespace, String agentId) {
        return grants.stream().anyMatch(grant -> grant.reads() && grant.covers(namespace, agentId));
    }

    /**
     * Returns, in byte order, prefixes of agent ids. Together, these prefixes select exactly the agents of a namespace
     * whose ids begin with {@code wished} and which the caller may read. No prefix in the list begins with another
     * prefix in the list.
     */
    List<String> agentPrefixes(String namespace, String wished) {
        List<String> prefixes = new ArrayList<>();
        grants.stream()
                .filter(grant -> grant.reads() && grant.isOf(namespace))
                .map(Grant::agentPrefix)
                .filter(prefix -> prefix.startsWith(wished) || wished.startsWith(prefix))
                .map(prefix -> prefix.length() > wished.length() ? prefix : wished)
                .sorted(StateKey::compareBytes)
                .filter(prefix -> prefixes.stream().noneMatch(prefix::startsWith))
                .forEachOrdered(prefixes::add);
        return prefixes;
    }

    /**
     * Returns, in order, the namespaces that begin with {@code wished} and in which the caller may read something.
     * Returns an empty Optional if the caller may read something in every namespace.
     */
    Optional<List<String>> namespaces(String wished) {
        if (maySee("")) {
            return Optional.empty();
        }
        return Optional.of(grants.stream()
                .filter(Grant::reads)
                .map(Grant::namespace)
                .filter(namespace -> namespace.startsWith(wished))
                .distinct()
                .sorted()
                .toList());
    }

    /** Returns whether the caller may read something in a namespace. */
    boolean maySee(String namespace) {
        return grants.stream().anyMatch(grant -> grant.reads() && grant.isOf(namespace));
    }

    /**
     * Refuses a caller that may read nothing in a namespace.
     *
     * @param namespace the namespace; empty to refuse only a caller that may read nothing in any namespace
     * @throws StatusRuntimeException PERMISSION_DENIED if the caller is refused
     */
    void requireSight(String namespace) {
        if (grants.stream().noneMatch(Grant::reads) || (!namespace.isEmpty() && !maySee(namespace))) {
            throw Status.PERMISSION_DENIED
                    .withDescription(
                            "this token may read nothing" + (namespace.isEmpty() ? "" : " of namespace " + namespace))
                    .asRuntimeException();
        }
    }

    /** @throws StatusRuntimeException PERMISSION_DENIED if the caller may not read this agent */
    void requireRead(String namespace, String agentId) {
        if (!mayRead(namespace, agentId)) {
            throw denied("read", namespace, agentId);
        }
    }

    /** @throws StatusRuntimeException PERMISSION_DENIED if the caller may not write to this agent */
    void requireWrite(String namespace, String agentId) {
        if (namespace.startsWith(OWN_NAMESPACES)) {
            throw Status.PERMISSION_DENIED
                    .withDescription("namespace " + namespace + " is the backend's own, and can only be read")
                    .asRuntimeException();
        }
        if (!mayWrite(namespace, agentId)) {
            throw denied("write", namespace, agentId);
        }
    }

    /**
     * Returns whether one of the caller's rights covers writing to an agent. Does not apply the rule that no caller may
     * write to a namespace of the backend.
     */
    boolean mayWrite(String namespace, String agentId) {
        return grants.stream().anyMatch(grant -> grant.writes() && grant.covers(namespace, agentId));
    }

    /**
     * Requires the right to an operation: for a write, a touch or a deletion, the right to write; for a check, the
     * right to read, because a check reveals whether a version exists.
     *
     * @throws StatusRuntimeException PERMISSION_DENIED if the caller lacks this right
     */
    void require(Operation operation) {
        if (operation instanceof Operation.Check) {
            requireRead(operation.key().namespace(), operation.key().agentId());
        } else {
            requireWrite(operation.key().namespace(), operation.key().agentId());
        }
    }

    /**
     * @throws StatusRuntimeException PERMISSION_DENIED unless the caller may write to every agent of every namespace
     */
    void requireWriteOfAll() {
        if (grants.stream().noneMatch(grant -> grant.writes() && grant.covers("", ""))) {
            throw Status.PERMISSION_DENIED
                    .withDescription("this call requires a token that may write the whole state; add \"*/\" to its"
                            + " \"write\" in STATE_TOKENS_FILE")
                    .asRuntimeException();
        }
    }

    private static StatusRuntimeException denied(String what, String namespace, String agentId) {
        return Status.PERMISSION_DENIED
                .withDescription("this token may not " + what + " agent '" + agentId + "' of namespace " + namespace)
                .asRuntimeException();
    }
}
