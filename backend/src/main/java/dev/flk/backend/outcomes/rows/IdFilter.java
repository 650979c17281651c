// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

/** A test whether something may exist for an id, of which the first bytes are given, without a query. */
interface IdFilter {
    /** Knows nothing: where an index finds an absent id fast. */
    IdFilter NOTHING = new IdFilter() {
        @Override
        public void add(long id) {
            // nothing is known
        }

        @Override
        public boolean mayContain(long id) {
            return true;
        }
    };

    /** Notes that something exists for an id. */
    void add(long id);

    /** Returns false if nothing exists for an id. */
    boolean mayContain(long id);
}
