// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import java.util.List;

/** The state that {@code /readyz} and the page show. The method is called on any thread and must not block. */
@FunctionalInterface
public interface Readiness {
    /** Returns the current state of every component. The program is ready if all needed components are ready. */
    List<Component> components();

    /**
     * The state of a component.
     *
     * @param detail a few words for an operator; everyone who can reach the port can read them too
     * @param isNeeded whether this component must be ready for the program to be ready
     */
    record Component(String name, boolean ready, String detail, boolean isNeeded) {
        /** Creates the state of a needed component. */
        public Component(String name, boolean ready, String detail) {
            this(name, ready, detail, true);
        }
    }
}
