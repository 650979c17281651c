// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

/** What held a submission back with 429: the label {@code limit} of {@code flk_rate_limited_by_total}. Outside they look alike. */
public enum LimitedBy {
    /** The bucket of all is empty. */
    GLOBAL("global"),
    /** The rate of the key that signed it. */
    KEY("key"),
    /** The rate of its shard. */
    SHARD("shard"),
    /** Too much from its address was refused lately. */
    ADDRESS("address"),
    /** Other content under a known id, of which no more is kept just now. */
    EVIDENCE("evidence");

    private final String label;

    LimitedBy(String label) {
        this.label = label;
    }

    /** As metrics have it. */
    public String label() {
        return label;
    }
}
