// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tokens;

import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Page;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The namespace in which earlier versions kept the record of outcomes. A state may still contain it, but callers no
 * longer see it.
 */
public final class FormerRecord {
    private static final String NAMESPACE = "flk.record";

    /** The places of the record today, as the end of a sentence. */
    static final String TODAY =
            "the record of outcomes is at /v1/outcomes and its changes at /v1/outcomes/changes, over HTTP with the"
                    + " operators' login";

    private FormerRecord() {}

    /** Returns whether a namespace contained the former record. */
    public static boolean isIn(String namespace) {
        return namespace.equals(NAMESPACE);
    }

    /**
     * Refuses the namespace of the former record.
     *
     * @throws StateException INVALID; the message says where the record is
     */
    public static void refuse(String namespace) {
        if (isIn(namespace)) {
            throw Reason.INVALID.because("namespace " + NAMESPACE + " is no longer served; " + TODAY);
        }
    }

    /** Returns a page of the namespaces that have keys, in order, without the former record. */
    public static Page<String> namespacesWithout(StateEngine engine, String prefix, @Nullable String after, int limit) {
        Page<String> page = engine.reads().namespaces(prefix, after, limit);
        if (!page.entries().contains(NAMESPACE)) {
            return page;
        }
        List<String> others = new ArrayList<>(page.entries());
        others.remove(NAMESPACE);
        String next = page.next();
        if (next == null) {
            return new Page<>(others, null);
        }
        Page<String> more = engine.reads().namespaces(prefix, next, 1); // takes the place of the removed one
        others.addAll(more.entries());
        return new Page<>(others, more.next());
    }
}
