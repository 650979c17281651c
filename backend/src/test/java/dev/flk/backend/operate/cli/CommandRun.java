// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.flk.backend.operate.cli.CommandLineProgram.Service;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Append;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * A runner of command lines in this process, which keeps the output of the last one. It also writes and reads log files
 * for the commands.
 */
final class CommandRun {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private final Service service;
    private boolean watched;

    /** Creates a runner for commands that must not start a backend. */
    CommandRun() {
        this((config, again) -> {
            throw new AssertionError("it must not serve");
        });
    }

    CommandRun(Service service) {
        this.service = service;
    }

    /** Makes commands behave as on a terminal. */
    CommandRun watched() {
        watched = true;
        return this;
    }

    int run(Map<String, String> environment, String... args) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        CommandLineProgram program =
                new CommandLineProgram(environment, service, new PrintWriter(out), new PrintWriter(err));
        if (watched) {
            program.watched();
        }
        return program.run(args);
    }

    /** Runs a command line without a configuration; the words of {@code line} are separated by spaces. */
    int run(String line, String... more) {
        List<String> args = new ArrayList<>(line.isEmpty() ? List.of() : Arrays.asList(line.split(" ", -1)));
        args.addAll(List.of(more));
        return run(Map.of(), args.toArray(String[]::new));
    }

    String out() {
        return out.toString();
    }

    String err() {
        return err.toString();
    }

    /** Returns the only line of the output, parsed as JSON. */
    JsonNode json() throws IOException {
        assertThat(out().lines()).hasSize(1);
        return JSON.readTree(out());
    }

    /** Checks that all lines except the last {@code butTheLast} fit into 80 columns. */
    void assertFits80Columns(int butTheLast) {
        List<String> lines = out().lines().toList();
        assertThat(lines.subList(0, Math.max(0, lines.size() - butTheLast)))
                .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    }

    static void append(Log log, Entry entry) {
        boolean taken = log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return List.of(entry);
            }

            @Override
            public void forced(long firstSequence) {}

            @Override
            public void failed(IOException cause) {
                throw new AssertionError(cause);
            }
        });
        assertThat(taken && log.step()).isTrue();
    }

    /** Flips one bit of a byte. */
    static void flip(Path file, int at) throws IOException {
        byte[] content = Files.readAllBytes(file);
        content[at] ^= 1;
        Files.write(file, content);
    }

    /** Returns the files of a directory, each with a hash of its content. */
    static List<String> contents(Path directory) throws IOException {
        List<String> contents = new ArrayList<>();
        for (String name : new DiskFiles().list(directory)) {
            contents.add(name + " " + Arrays.hashCode(Files.readAllBytes(directory.resolve(name))));
        }
        return contents;
    }
}
