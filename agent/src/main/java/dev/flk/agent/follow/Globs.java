// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.program.files.ForeignFolder;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * The search for the files that a path with wildcards matches: {@code *}, {@code ?}, {@code [abc]} and {@code {a,b}},
 * which never match a slash, and match a leading point only if the pattern has it. A backslash makes the next character
 * a literal one. No file is opened, and one search looks at a limited number of names.
 */
public final class Globs {
    private static final int MOST_FILES = 1_000;
    private static final int MOST_ENTRIES = 100_000;
    private static final Pattern WILDCARD = Pattern.compile("(?<!\\\\)(?:\\\\\\\\)*[*?\\[{]");
    private static final Pattern SPECIAL = Pattern.compile("[\\\\*?\\[\\]{},]");

    private final List<Path> found = new ArrayList<>();
    private int entries;
    private boolean isCut;
    private Optional<IOException> unread = Optional.empty();

    private Globs() {}

    /**
     * The files that a pattern matches.
     *
     * @param files the regular files, and links to such within the folder of the pattern, of each only one path
     * @param leftOut the other matching paths, except directories, each with the reason why it is not read
     * @param isCut whether there may be more, because a limit was reached
     * @param unread why a directory that a wildcard matches could not be read; empty if all were read
     */
    public record Found(List<Path> files, Map<Path, String> leftOut, boolean isCut, Optional<IOException> unread) {
        /** Returns this result for files that grow; files that are named like a rotation of another one are left out. */
        public Found growing() {
            return growing(Set.of());
        }

        /**
         * Returns the same.
         *
         * @param known files that are read already, and may be missing while they are rotated
         */
        Found growing(Set<Path> known) {
            Set<Path> all = new TreeSet<>(files);
            all.addAll(known);
            List<RotatedCsv.Names> names =
                    all.stream().map(RotatedCsv.Names::new).toList();
            List<Path> csvs = new ArrayList<>();
            Map<Path, String> others = new TreeMap<>(leftOut);
            for (Path file : files) {
                Optional<RotatedCsv.Names> rotated =
                        names.stream().filter(each -> each.contain(file)).findFirst();
                rotated.ifPresentOrElse(
                        each -> others.put(
                                file,
                                file + " is named like a rotated file of " + each.csv() + ", so it is not read; let the"
                                        + " path of the files match only one of them, or give it a source of its own"),
                        () -> csvs.add(file));
            }
            return new Found(csvs, others, isCut, unread);
        }
    }

    /**
     * Returns the files that match a pattern now.
     *
     * @param pattern an absolute path, of which {@link #check} has no objection
     */
    public static Found find(String pattern) throws IOException {
        return find(pattern, Set.of());
    }

    /**
     * Returns the same.
     *
     * @param known files that are read already; of several paths of one file, the known one is read
     * @throws NoSuchFileException if a directory before the first wildcard does not exist
     * @throws NotDirectoryException if something else than a directory has its name
     */
    static Found find(String pattern, Set<Path> known) throws IOException {
        Globs search = new Globs();
        search.expand(Path.of("/"), components(pattern), true);
        ForeignFolder folder = new ForeignFolder(folder(pattern));
        List<Path> files = new ArrayList<>();
        Map<Path, String> leftOut = new TreeMap<>();
        Map<Object, Path> paths = new HashMap<>();
        search.found.sort(Comparator.comparing((Path path) -> !known.contains(path))
                .thenComparing(Files::isSymbolicLink)
                .thenComparing(Comparator.naturalOrder()));
        for (Path path : search.found) {
            try {
                Optional<String> objection = folder.objection(path);
                Path same = objection.isEmpty() ? paths.putIfAbsent(inode(path), path) : null;
                if (same != null && !same.equals(path)) {
                    leftOut.put(path, path + " is the same file as " + same + ", so it is read only once; name one");
                } else if (objection.isPresent()) {
                    leftOut.put(path, objection.get());
                } else {
                    files.add(path);
                }
            } catch (IOException e) {
                if (Files.exists(path)) { // it was not removed meanwhile, and is no link to nothing
                    leftOut.put(path, "can't read " + e.getMessage());
                }
            }
        }
        files.sort(Comparator.naturalOrder());
        return new Found(files, leftOut, search.isCut, search.unread);
    }

    private static Object inode(Path path) throws IOException {
        Object key = Files.readAttributes(path, BasicFileAttributes.class).fileKey();
        return key == null ? path : key; // Windows has no keys
    }

    /** Returns the folder of a pattern, out of which no link is followed: the directory before the first wildcard. */
    public static Path folder(String pattern) throws IOException {
        Path folder = Path.of("/");
        List<String> components = components(pattern);
        for (int i = 0; i < components.size() - 1 && !isWildcard(components.get(i)); i++) {
            folder = resolve(folder, plain(components.get(i)));
        }
        return folder;
    }

    /** Returns the pattern that matches only this path. */
    public static String literal(String path) {
        return SPECIAL.matcher(path).replaceAll("\\\\$0");
    }

    /** Throws an {@link IllegalArgumentException} if a path with wildcards is not valid. */
    static void check(String pattern) {
        if (components(pattern).isEmpty()) {
            throw new IllegalArgumentException("it names no file");
        }
        for (String component : components(pattern)) {
            if (component.contains("**")) {
                throw new IllegalArgumentException("** is not supported; write one * for each directory");
            }
            if (isWildcard(component)) {
                matcher(component);
            } else if (component.indexOf('\0') >= 0) {
                throw new IllegalArgumentException("it has a NUL");
            }
        }
    }

    private static List<String> components(String pattern) {
        return Pattern.compile("/")
                .splitAsStream(pattern)
                .filter(each -> !each.isEmpty())
                .toList();
    }

    private static boolean isWildcard(String component) {
        return WILDCARD.matcher(component).find();
    }

    private static PathMatcher matcher(String component) {
        return FileSystems.getDefault().getPathMatcher("glob:" + component);
    }

    private static String plain(String component) {
        return component.replaceAll("\\\\(.)", "$1");
    }

    private void expand(Path directory, List<String> components, boolean isFixed) throws IOException {
        String component = components.get(0);
        boolean isLast = components.size() == 1;
        if (!isWildcard(component)) {
            step(resolve(directory, plain(component)), components, isFixed);
            return;
        }
        PathMatcher matcher = matcher(component);
        try (DirectoryStream<Path> names = Files.newDirectoryStream(directory)) {
            for (Path each : names) {
                isCut |= found.size() >= MOST_FILES || entries >= MOST_ENTRIES;
                if (isCut) {
                    return;
                }
                entries++;
                Path name = each.getFileName();
                if (matcher.matches(name)
                        && (!name.toString().startsWith(".") || component.startsWith("."))
                        && (isLast || Files.isDirectory(each))) {
                    step(each, components, false);
                }
            }
        } catch (NoSuchFileException | NotDirectoryException | AccessDeniedException e) {
            if (isFixed) {
                throw e;
            }
            unread = e instanceof AccessDeniedException ? Optional.of(e) : unread;
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
    }

    private static Path resolve(Path directory, String name) throws IOException {
        try {
            return directory.resolve(name);
        } catch (InvalidPathException e) {
            throw new IOException("the locale has no characters for the name " + name + "; set LC_ALL=C.UTF-8", e);
        }
    }

    private void step(Path path, List<String> components, boolean isFixed) throws IOException {
        if (components.size() == 1) {
            if (!Files.isDirectory(path)) {
                found.add(path);
            }
            return;
        }
        if (isFixed && !Files.isDirectory(path)) {
            throw Files.exists(path)
                    ? new NotDirectoryException(path.toString())
                    : new NoSuchFileException(path.toString());
        }
        if (Files.isDirectory(path)) {
            expand(path, components.subList(1, components.size()), isFixed);
        }
    }
}
