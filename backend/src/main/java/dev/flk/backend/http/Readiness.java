// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.util.List;

/** The state behind {@code /readyz}. Called on an event loop: must not block. */
@FunctionalInterface
public interface Readiness {
    /** The state of every component just now; the backend is ready if all are. */
    List<Component> components();

    /**
     * One component.
     *
     * @param detail a few words for an operator; nothing that a stranger must not read
     */
    record Component(String name, boolean ready, String detail) {}
}
