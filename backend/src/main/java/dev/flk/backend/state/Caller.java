// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.state.Key;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Who calls, and what of the state it may read and write. Namespaces that begin with {@code flk.} are the backend's own: no caller
 * writes them.
 *
 * @param name unique; what it opened and asked for is told apart by it
 * @param tokenSha256 in hex; empty: it shows none
 */
record Caller(String name, String tokenSha256, List<Grant> grants) {
    /** Of a port without tokens. */
    static final Caller ANYONE = new Caller("", "", List.of(new Grant("", "", true, true)));

    /** A caller of a port with tokens that shows no valid one; it may check health. */
    static final Caller STRANGER = new Caller("", "", List.of());

    /** Who makes the call that is under way. */
    static final Context.Key<Caller> CURRENT = Context.keyWithDefault("caller", ANYONE);

    private static final String OWN_NAMESPACES = "flk.";

    Caller {
        grants = List.copyOf(grants);
    }

    /**
     * What it may do.
     *
     * @param namespace empty: any
     * @param agentPrefix what agent ids begin with
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

    /** What the agent ids begin with that it may read and that begin with {@code wished}: in order, and none within another. */
    List<String> agentPrefixes(String namespace, String wished) {
        List<String> prefixes = new ArrayList<>();
        grants.stream()
                .filter(grant -> grant.reads() && grant.isOf(namespace))
                .map(Grant::agentPrefix)
                .filter(prefix -> prefix.startsWith(wished) || wished.startsWith(prefix))
                .map(prefix -> prefix.length() > wished.length() ? prefix : wished)
                .sorted(Key::compareBytes)
                .filter(prefix -> prefixes.stream().noneMatch(prefix::startsWith))
                .forEachOrdered(prefixes::add);
        return prefixes;
    }

    /** The namespaces that it may see and that begin with {@code wished}, in order; empty if it may see all. */
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

    /** Whether it may read anything in a namespace. */
    boolean maySee(String namespace) {
        return grants.stream().anyMatch(grant -> grant.reads() && grant.isOf(namespace));
    }

    /**
     * Refuses who may read nothing of a namespace, or nothing at all.
     *
     * @param namespace empty: any
     * @throws StatusRuntimeException PERMISSION_DENIED
     */
    void requireSight(String namespace) {
        if (grants.stream().noneMatch(Grant::reads) || (!namespace.isEmpty() && !maySee(namespace))) {
            throw Status.PERMISSION_DENIED
                    .withDescription(
                            "this token may read nothing" + (namespace.isEmpty() ? "" : " of namespace " + namespace))
                    .asRuntimeException();
        }
    }

    /** @throws StatusRuntimeException PERMISSION_DENIED */
    void requireRead(String namespace, String agentId) {
        if (!mayRead(namespace, agentId)) {
            throw denied("read", namespace, agentId);
        }
    }

    /** @throws StatusRuntimeException PERMISSION_DENIED */
    void requireWrite(String namespace, String agentId) {
        if (namespace.startsWith(OWN_NAMESPACES)) {
            throw Status.PERMISSION_DENIED
                    .withDescription("namespace " + namespace + " is the backend's own, and can only be read")
                    .asRuntimeException();
        }
        if (grants.stream().noneMatch(grant -> grant.writes() && grant.covers(namespace, agentId))) {
            throw denied("write", namespace, agentId);
        }
    }

    /** @throws StatusRuntimeException PERMISSION_DENIED */
    void requireWriteOfAll() {
        if (grants.stream().noneMatch(grant -> grant.writes() && grant.covers("", ""))) {
            throw Status.PERMISSION_DENIED
                    .withDescription("this token may not write all of the state: \"*/\"")
                    .asRuntimeException();
        }
    }

    private static StatusRuntimeException denied(String what, String namespace, String agentId) {
        return Status.PERMISSION_DENIED
                .withDescription("this token may not " + what + " agent '" + agentId + "' of namespace " + namespace)
                .asRuntimeException();
    }
}
