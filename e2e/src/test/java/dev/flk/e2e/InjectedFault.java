// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * A fault that strace injects into a program's system calls on some files. Strace counts only calls on these files,
 * separately for each thread.
 *
 * @param calls the names of the system calls, in the format of {@code -e trace=}
 * @param what {@code error=EIO} or {@code signal=KILL}
 * @param when {@code 3} for the third call of a thread, {@code 2+3} for the second call and every third call after it
 */
record InjectedFault(String calls, String what, String when) {
    private static final boolean EVERY_N = "all".equals(System.getProperty("flk.faults"));

    private static final String RENAMES = "?rename,?renameat,?renameat2";
    private static final String REMOVALS = "?unlink,?unlinkat";
    private static final String TRACED = "trace=openat,pwrite64,fdatasync,fsync," + RENAMES + "," + REMOVALS;
    private static final List<String> STRACE = List.of("strace", "-D", "-ff", "-qq", "-y");

    /** The files of a log on which calls fail. */
    enum Target {
        /** The segments to which records are appended. */
        SEGMENTS,
        /** The segments after the first one, while they have temporary names. */
        NEXT_OPENINGS,
        /** The directory of the log itself. */
        DIRECTORY,
        /** The segments, also while they have temporary names, the directory, the lock and the mark. */
        EVERYTHING;

        List<Path> in(LogFiles log) {
            return switch (this) {
                case SEGMENTS -> log.possibleSegments();
                case NEXT_OPENINGS -> log.openings(2);
                case DIRECTORY -> List.of(log.directory());
                case EVERYTHING ->
                    Stream.of(
                                    log.possibleSegments(),
                                    log.openings(1),
                                    List.of(log.directory()),
                                    Stream.of("lock", log.name() + ".mark", log.name() + ".mark-fresh")
                                            .map(log.directory()::resolve)
                                            .toList())
                            .flatMap(List::stream)
                            .toList();
            };
        }
    }

    /**
     * Returns the fault that fails or kills a thread's n-th call.
     *
     * @param call the system call; {@code rename} and {@code unlink} include their variants
     * @param what an error such as {@code EIO}, or {@code KILL}
     */
    static InjectedFault of(String call, String what, int n) {
        String calls = switch (call) {
            case "rename" -> RENAMES;
            case "unlink" -> REMOVALS;
            default -> call;
        };
        return new InjectedFault(calls, (what.equals("KILL") ? "signal=" : "error=") + what, Integer.toString(n));
    }

    /** Skips the test if strace is missing or can't inject faults here. */
    static void assumePossible() throws IOException, InterruptedException {
        List<String> probe = new ArrayList<>(STRACE);
        probe.addAll(List.of("--seccomp-bpf", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", "true"));
        boolean possible = false;
        try {
            possible = new ProcessBuilder(probe)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            // strace is not installed
        }
        assumeTrue(
                possible,
                "faults can't be injected: install strace (5.3 or later; apt-get install strace) and allow ptrace"
                        + " (in a container: --cap-add SYS_PTRACE)");
    }

    /**
     * Returns the start of a command line that runs the command after it with these faults injected on these files.
     * Strace writes a trace of the calls to the directory {@code traces}.
     */
    static List<String> before(List<InjectedFault> faults, List<Path> files, Path traces) throws IOException {
        List<String> command = new ArrayList<>(STRACE);
        if (faults.stream().noneMatch(InjectedFault::kills)) {
            command.add("--seccomp-bpf"); // faster, but strace can't inject signals with this option
        }
        command.addAll(List.of("-e", "signal=none", "-e", TRACED));
        command.addAll(
                List.of("-o", Files.createDirectories(traces).resolve("thread").toString()));
        for (InjectedFault fault : faults) {
            command.addAll(List.of("-e", "inject=" + fault.calls + ":" + fault.what + ":when=" + fault.when));
        }
        for (Path file : files) {
            command.addAll(List.of("-P", file.toString()));
        }
        return command;
    }

    /** Returns whether this fault was injected. */
    boolean wasMet(Path traces) throws IOException {
        List<String> names = Stream.of(calls.split(","))
                .map(name -> name.replace("?", "") + "(")
                .toList();
        return threads(traces).stream()
                .flatMap(List::stream)
                .filter(line -> names.stream().anyMatch(line::startsWith))
                .anyMatch(line -> kills() ? line.endsWith("= ?") : isInjected(line));
    }

    boolean kills() {
        return what.startsWith("signal");
    }

    private static boolean isInjected(String line) {
        return line.endsWith("(INJECTED)");
    }

    private static List<List<String>> threads(Path traces) throws IOException {
        List<List<String>> threads = new ArrayList<>();
        try (Stream<Path> files = Files.list(traces)) {
            for (Path file : files.toList()) {
                threads.add(Files.readAllLines(file));
            }
        }
        return threads;
    }

    /** A test run in which the n-th call fails. */
    interface Trial {
        /** Runs the trial. Returns false if the run makes fewer than n calls. */
        boolean passes(int n) throws Exception;
    }

    /**
     * Runs the trial for n from {@code first} until the run makes fewer than n calls. The distance from {@code first}
     * doubles each time, unless {@code -Dflk.faults=all} is set.
     */
    static void tryEach(String name, int first, Trial trial) throws Exception {
        int met = 0;
        int after = 0;
        while (trial.passes(first + after)) {
            met++;
            after = EVERY_N ? after + 1 : Math.max(after + 1, 2 * after);
        }
        System.out.printf("%s: %d values of n from %d%n", name, met, first);
        assertThat(met).as("values of n of %s that are met", name).isPositive();
    }
}
