// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

/** Which part of the interface a port serves. */
public enum Served {
    /** All of it. */
    EVERYTHING,
    /** Submissions, outcomes, and whether the process serves. */
    CERTIFICATES,
    /** Metrics, readiness, and whether the process serves. */
    OPERATIONS,
    /** The same, and looks into the JVM. */
    OPERATIONS_AND_DEBUG;

    boolean isForOperators() {
        return this == OPERATIONS || this == OPERATIONS_AND_DEBUG;
    }
}
