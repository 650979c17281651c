// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

/** Whether somebody looks at standard error, so that long commands tell there how far they are. One thread. */
final class Watched {
    boolean byPeople;
}
