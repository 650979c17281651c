// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

/** A file that is no CSV of measurements. The message names the line, the column where there is one, and what to do. */
public final class MalformedCsv extends Exception {

    MalformedCsv(String message) {
        super(message);
    }
}
