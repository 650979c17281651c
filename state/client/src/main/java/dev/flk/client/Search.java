// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.FindRequest;
import dev.flk.client.proto.FindRequest.Order;

/**
 * A search for keys by their newest values. The condition on a value is an SQL/JSON path, which Postgres evaluates, or
 * a JSON document that the value contains, or both. By default, the search covers all agents, and the results are
 * ordered by agent and key. Immutable.
 */
public final class Search {
    private final FindRequest request;

    private Search(FindRequest request) {
        this.request = request;
    }

    /**
     * Selects values in which an SQL/JSON path finds something. If the path is a predicate, such as {@code $.n == 1},
     * selects values for which the predicate is true.
     */
    public static Search path(String jsonPath) {
        return new Search(FindRequest.newBuilder().setJsonPath(jsonPath).build());
    }

    /** Selects values that contain a JSON document, such as {@code {"status":"open"}}. */
    public static Search containing(String json) {
        return new Search(FindRequest.newBuilder().setContains(json).build());
    }

    /**
     * Adds the condition that values contain a JSON document. Replaces such a condition if this search already has one.
     */
    public Search andContaining(String json) {
        return new Search(request.toBuilder().setContains(json).build());
    }

    /** Searches only the values of one agent, or of all agents if {@code agentId} is empty. */
    public Search ofAgent(String agentId) {
        return new Search(request.toBuilder().setAgentId(agentId).build());
    }

    /** Orders the results by the time of their commit, newest first. */
    public Search newestFirst() {
        return new Search(request.toBuilder().setOrder(Order.NEWEST_FIRST).build());
    }

    /** Orders the results by the time of their commit, oldest first. */
    public Search oldestFirst() {
        return new Search(request.toBuilder().setOrder(Order.OLDEST_FIRST).build());
    }

    FindRequest request() {
        return request;
    }
}
