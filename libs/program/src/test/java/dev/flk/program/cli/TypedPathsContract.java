// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/**
 * The contract of a command line for whatever a person types as a path: the command works, or says in a sentence what
 * is wrong. It never prints <em>internal error</em>, the name of a class or a stack trace, and always ends. Each build
 * tries a path that Java can't represent everywhere, and another one that differs from argument to argument; the
 * thorough build tries all.
 */
@Timeout(300)
public abstract class TypedPathsContract {
    private static final Duration LONGEST_COMMAND = Duration.ofSeconds(30);
    /** Names of classes, and the parts of a stack trace. */
    private static final Pattern INTERNAL = Pattern.compile(
            "(?i)internal error|\\b(java|javax|sun|jdk|picocli|dev\\.flk|io\\.netty)\\.[a-z]+\\.|[a-z]Exception\\b|\\tat ");

    private static final String NUL = "a NUL";

    /** An empty directory in which the commands may create files. */
    @TempDir
    protected Path directory;

    private final List<String> problems = new ArrayList<>();
    private final Random random = new Random(1);
    private boolean isInTheCLocale;
    private boolean isThorough;
    private int outputs;

    /** The exit code and the output of a command, standard output and standard error together. */
    public record Ended(int exitCode, String output) {}

    /** Returns the commands of the program. */
    protected abstract CommandLine commands();

    /** Runs the program in this process. */
    protected abstract Ended run(Map<String, String> settings, String... arguments);

    /** Returns settings with which commands create files only in the directory. */
    protected abstract Map<String, String> settings();

    /** Returns the names of all settings. */
    protected abstract List<String> names();

    /** Returns command lines that read the settings. */
    protected abstract List<String> readers();

    @Test
    void arguments_typedPath_worksOrIsExplained() throws Exception {
        tryArguments();
    }

    @Test
    @Tag("thorough")
    void arguments_anyPath_worksOrIsExplained() throws Exception {
        isThorough = true;
        tryArguments();
    }

    @Test
    void settings_typedPath_worksOrIsExplained() throws Exception {
        trySettings();
    }

    @Test
    @Tag("thorough")
    void settings_anyPath_worksOrIsExplained() throws Exception {
        isThorough = true;
        trySettings();
    }

    @Test
    void localeC_typedPath_worksOrIsExplained() throws Exception {
        tryInTheCLocale("");
    }

    @Test
    @Tag("thorough")
    void localeC_anyPath_worksOrIsExplained() throws Exception {
        tryInTheCLocale("thorough");
    }

    /** Runs this test in a process with the locale C, in which Java can represent only names in ASCII. */
    private void tryInTheCLocale(String how) throws Exception {
        Path out = directory.resolve("out");
        ProcessBuilder command = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        InTheCLocale.class.getName(),
                        getClass().getName(),
                        Files.createDirectory(directory.resolve("typed")).toString(),
                        how)
                .redirectErrorStream(true)
                .redirectOutput(out.toFile());
        command.environment().put("LC_ALL", "C");
        Process process = command.start();
        try {
            assertThat(process.waitFor(5, TimeUnit.MINUTES)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.exitValue())
                .as(Files.readString(out, StandardCharsets.ISO_8859_1))
                .isZero();
    }

    /** The process with the locale C. */
    static final class InTheCLocale {
        private InTheCLocale() {}

        public static void main(String[] args) throws Exception {
            Constructor<?> constructor = Class.forName(args[0]).getDeclaredConstructor();
            constructor.setAccessible(true);
            TypedPathsContract test = (TypedPathsContract) constructor.newInstance();
            test.directory = Path.of(args[1]);
            test.isThorough = args[2].equals("thorough");
            test.isInTheCLocale = true;
            test.tryArguments();
            test.trySettings();
            System.exit(0);
        }
    }

    /** Types paths as the value of each option and parameter of each command without subcommands. */
    private void tryArguments() throws Exception {
        Map<String, String> paths = paths();
        Set<String> inherited = new HashSet<>();
        each(commands(), new ArrayList<>(), (words, command) -> {
            for (ArgSpec typed : texts(command)) {
                // an option that many commands inherit is tried on one command of each group
                if (typed instanceof OptionSpec option
                        && option.inherited()
                        && !inherited.add(words.get(0) + option.longestName())) {
                    continue;
                }
                for (String path : tried(paths)) {
                    if (!isPath(typed) && !paths.get(path).matches("(?s).*[\\x00-\\x1f].*")) {
                        continue; // another text, in which only control characters are unusual
                    }
                    run(settings(), line(words, command, typed, paths.get(path)), path);
                }
            }
        });
        assertThat(problems).isEmpty();
    }

    /** Uses paths as the value of each setting, and as the name of the file with its value. */
    private void trySettings() throws Exception {
        Map<String, String> paths = paths();
        for (String name : names()) {
            for (String setting : List.of(name, name + "_FILE")) {
                for (String path : tried(paths)) {
                    Map<String, String> all = new LinkedHashMap<>(settings());
                    all.remove(name);
                    all.put(setting, paths.get(path));
                    for (String line : isThorough ? readers() : List.of(any(readers()))) {
                        run(all, List.of(line.split(" ", -1)), setting + " is " + path);
                    }
                }
            }
        }
        assertThat(problems).isEmpty();
    }

    /** Returns the names of the paths to try next. */
    private Collection<String> tried(Map<String, String> paths) {
        if (isThorough) {
            return paths.keySet();
        }
        List<String> others = new ArrayList<>(paths.keySet());
        return others.remove(NUL) ? List.of(NUL, any(others)) : List.of(any(others));
    }

    private <T> T any(List<T> all) {
        return all.get(random.nextInt(all.size()));
    }

    private Map<String, String> paths() throws Exception {
        Path file = Files.writeString(directory.resolve("file"), "no content of ours\n");
        Path link = directory.resolve("dangling");
        if (!Files.isSymbolicLink(link)) {
            Files.createSymbolicLink(link, directory.resolve("missing"));
            Files.createDirectory(directory.resolve("directory"));
            Path loop = directory.resolve("loop");
            Files.createSymbolicLink(loop, loop);
            assertThat(new ProcessBuilder("mkfifo", directory.resolve("fifo").toString())
                            .start()
                            .waitFor())
                    .isZero();
        }
        Map<String, String> paths = new LinkedHashMap<>();
        paths.put(NUL, "a\0b");
        paths.put("a long name", "n".repeat(300));
        paths.put("a long path", "/" + "name/".repeat(1_000));
        paths.put("empty", "");
        paths.put("a directory", directory.resolve("directory").toString());
        paths.put("the root", "/");
        paths.put("a file", file.toString());
        paths.put("a missing file", directory.resolve("missing").toString());
        paths.put("below a missing directory", directory.resolve("missing/name").toString());
        paths.put("below a file", file + "/name");
        paths.put("a dangling link", link.toString());
        paths.put("a link to itself", directory.resolve("loop").toString());
        paths.put("a FIFO", directory.resolve("fifo").toString());
        paths.put("an empty device", "/dev/null");
        paths.put("a forbidden file", "/proc/self/mem");
        paths.put("not ASCII", directory + "/Wärme\u2603\uD83C\uDF0B.csv");
        paths.put("a lost character", directory + "/W\uFFFDrme");
        paths.put("half a surrogate pair", directory + "/\uD83C");
        paths.put("control characters", directory + "/a\nb\u001b[31m");
        paths.put("dots", "../../..//./x/..");
        if (isInTheCLocale) { // what a locale may be unable to represent
            paths.keySet().retainAll(Set.of("not ASCII", "a lost character", "half a surrogate pair"));
        }
        return paths;
    }

    private interface Visitor {
        void visit(List<String> words, CommandSpec command) throws Exception;
    }

    private static void each(CommandLine command, List<String> words, Visitor visitor) throws Exception {
        if (command.getSubcommands().isEmpty()) {
            visitor.visit(words, command.getCommandSpec());
        }
        for (Map.Entry<String, CommandLine> sub : command.getSubcommands().entrySet()) {
            List<String> longer = new ArrayList<>(words);
            longer.add(sub.getKey());
            each(sub.getValue(), longer, visitor);
        }
    }

    private static List<ArgSpec> texts(CommandSpec command) {
        return command.args().stream().filter(TypedPathsContract::isText).toList();
    }

    private static boolean isText(ArgSpec argument) {
        Class<?> type = argument.auxiliaryTypes().length > 0 ? argument.auxiliaryTypes()[0] : argument.type();
        return List.of(String.class, Path.class, File.class).contains(type);
    }

    private static boolean isPath(ArgSpec argument) {
        return argument.paramLabel().contains("FILE") || argument.paramLabel().contains("DIR");
    }

    private List<String> line(List<String> words, CommandSpec command, ArgSpec typed, String path) {
        List<String> line = new ArrayList<>(words);
        for (OptionSpec option : command.options()) {
            if (option != typed && option.required()) {
                line.add(option.longestName());
                if (option.arity().max() > 0) {
                    line.add(usual(option));
                }
            }
        }
        OptionSpec output = command.findOption("--output");
        if (output != null && output != typed) {
            line.add(output.longestName());
            line.add(directory.resolve("output" + outputs++).toString()); // else, it would be in the current directory
        }
        if (typed instanceof OptionSpec option) {
            line.add(option.longestName());
            line.add(path);
        }
        for (PositionalParamSpec parameter : command.positionalParameters()) {
            if (parameter == typed) {
                line.add(path);
            } else if (parameter.arity().min() > 0) {
                line.add(usual(parameter));
            }
        }
        return line;
    }

    private String usual(ArgSpec argument) {
        return isText(argument) ? directory.resolve("file").toString() : "1";
    }

    private void run(Map<String, String> settings, List<String> line, String what) throws Exception {
        ExecutorService one = Executors.newSingleThreadExecutor(work -> {
            Thread thread = new Thread(work, "command");
            thread.setDaemon(true);
            return thread;
        });
        try {
            var running = one.submit(() -> run(settings, line.toArray(String[]::new)));
            Ended ended = null;
            long deadline = System.nanoTime() + LONGEST_COMMAND.toNanos();
            while (ended == null && System.nanoTime() < deadline) {
                try {
                    ended = running.get(200, TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    endInput();
                }
            }
            String shown = String.join(" ", line) + " (" + what + "): ";
            if (ended == null) {
                problems.add(shown + "does not end");
            } else if (ended.exitCode() < 0 || ended.exitCode() > 2) {
                problems.add(shown + "exit code " + ended.exitCode());
            } else if (INTERNAL.matcher(ended.output().replace(directory.toString(), ""))
                    .find()) {
                problems.add(shown + ended.output());
            }
        } catch (ExecutionException e) {
            problems.add(String.join(" ", line) + " (" + what + "): " + e.getCause());
        } finally {
            one.shutdownNow();
        }
    }

    /** Ends the input of a command that reads from the FIFO, as the writer at the other end of a pipe does. */
    private void endInput() throws IOException, InterruptedException {
        // opens the FIFO for reading, too, so that a command that does not read from it does not block this
        new ProcessBuilder("sh", "-c", "exec 3<>fifo")
                .directory(directory.toFile())
                .start()
                .waitFor();
    }
}
