// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.access.tokens.TokenHolder;
import dev.flk.backend.access.tokens.TokenHolder.Grant;
import dev.flk.state.Operation;
import dev.flk.state.StateKey;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.List;

/**
 * A caller and its rights to the state. Namespaces that begin with {@code flk.} belong to the backend, so no caller may
 * write to them.
 *
 * @param token the holder of the token that was shown; a caller without one has a holder without a name
 */
record Caller(TokenHolder token) {
    /** The caller of a port without tokens. */
    static final Caller ANYONE = new Caller(new TokenHolder("", "", List.of(new Grant("", "", true, true))));

    /** A caller that presents no valid token to a port that requires tokens. Such a caller may only check health. */
    static final Caller STRANGER = new Caller(new TokenHolder("", "", List.of()));

    /** The caller of the current call. */
    static final Context.Key<Caller> CURRENT = Context.keyWithDefault("caller", ANYONE);

    private static final String OWN_NAMESPACES = "flk.";

    /** Returns whether the caller may read a key. */
    boolean sees(StateKey key) {
        return token.mayRead(key.namespace(), key.agentId());
    }

    /** Returns a unique name, which identifies the caller's transactions and requests. */
    String name() {
        return token.name();
    }

    /**
     * Refuses a caller that may read nothing in a namespace.
     *
     * @param namespace the namespace; empty to refuse only a caller that may read nothing in any namespace
     * @throws StatusRuntimeException PERMISSION_DENIED if the caller is refused
     */
    void requireSight(String namespace) {
        if (token.grants().stream().noneMatch(Grant::reads) || (!namespace.isEmpty() && !token.maySee(namespace))) {
            throw Status.PERMISSION_DENIED
                    .withDescription(
                            "this token may read nothing" + (namespace.isEmpty() ? "" : " of namespace " + namespace))
                    .asRuntimeException();
        }
    }

    /** @throws StatusRuntimeException PERMISSION_DENIED if the caller may not read this agent */
    void requireRead(String namespace, String agentId) {
        if (!token.mayRead(namespace, agentId)) {
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
        if (!token.mayWrite(namespace, agentId)) {
            throw denied("write", namespace, agentId);
        }
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
        if (!token.mayWrite("", "")) {
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
