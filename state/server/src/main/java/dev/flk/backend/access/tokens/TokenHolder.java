// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tokens;

import dev.flk.state.StateKey;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The holder of a token, with the rights of the token. A right applies to the agents of a namespace whose ids begin with
 * a prefix.
 *
 * @param name the unique name of the token
 * @param tokenSha256 the digest of the token in hex
 */
public record TokenHolder(String name, String tokenSha256, List<Grant> grants) {
    public TokenHolder {
        grants = List.copyOf(grants);
    }

    /**
     * A right.
     *
     * @param namespace the namespace; empty for any
     * @param agentPrefix the prefix of the ids of the agents to which the right applies
     */
    public record Grant(String namespace, String agentPrefix, boolean reads, boolean writes) {
        private boolean covers(String ofNamespace, String agentId) {
            return isOf(ofNamespace) && agentId.startsWith(agentPrefix);
        }

        private boolean isOf(String ofNamespace) {
            return namespace.isEmpty() || namespace.equals(ofNamespace);
        }
    }

    public boolean mayRead(String namespace, String agentId) {
        return grants.stream().anyMatch(grant -> grant.reads() && grant.covers(namespace, agentId));
    }

    /**
     * Returns whether one of the caller's rights covers writing to an agent. Does not apply the rule that no caller may
     * write to a namespace of the backend.
     */
    public boolean mayWrite(String namespace, String agentId) {
        return grants.stream().anyMatch(grant -> grant.writes() && grant.covers(namespace, agentId));
    }

    /** Returns whether the caller may read something in a namespace. */
    public boolean maySee(String namespace) {
        return grants.stream().anyMatch(grant -> grant.reads() && grant.isOf(namespace));
    }

    /**
     * Returns, in byte order, prefixes of agent ids. Together, these prefixes select exactly the agents of a namespace
     * whose ids begin with {@code wished} and which the caller may read. No prefix in the list begins with another
     * prefix in the list.
     */
    public List<String> agentPrefixes(String namespace, String wished) {
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
    public Optional<List<String>> namespaces(String wished) {
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
}
