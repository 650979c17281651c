// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.nio.file.Path;

/**
 * How a log is kept.
 *
 * @param directory that one process owns
 * @param prefix of the segments' names
 * @param context one line of text that stands for how records are understood (the policy in force); kept in each segment
 * @param holder how this process names itself in the lock
 * @param onDamage what a start does about damage in the newest segment
 */
public record LogOptions(
        Path directory, String prefix, String context, String holder, LogSizes sizes, OnDamage onDamage) {

    /** Checks what can't work. */
    public LogOptions {
        if (!prefix.matches("[a-z]+")) {
            throw new IllegalArgumentException("prefix must be lower-case letters, not " + prefix);
        }
        if (context.indexOf('\n') >= 0) {
            throw new IllegalArgumentException("the context must be one line");
        }
    }

    /** The usual sizes; a start stops at damage. */
    public static LogOptions of(Path directory, String prefix, String context) {
        return new LogOptions(
                directory,
                prefix,
                context,
                "process " + ProcessHandle.current().pid(),
                LogSizes.usual(),
                OnDamage.STOP);
    }

    /** The same with other sizes. */
    public LogOptions with(LogSizes otherSizes) {
        return new LogOptions(directory, prefix, context, holder, otherSizes, onDamage);
    }

    /** The same, going on behind damage or not. */
    public LogOptions with(OnDamage whatToDo) {
        return new LogOptions(directory, prefix, context, holder, sizes, whatToDo);
    }
}
