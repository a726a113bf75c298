"""Whether an invariant holds, asked of z3. Encoded from the rules' clauses, atom by atom; nothing here knows of cubes."""

import functools
import itertools

import z3

from gateway.core.buckets import bucket_of
from gateway.core.labels import LEVELS
from gateway.policy.clauses import clauses
from gateway.policy.model import every, of_backend
from gateway.policy.vocabulary import BACKEND, REQUEST
from support.policy_trees import WORDS
from support.proofs import PROJECTS, asked_of_requests, errors_of, visited

CONTEXT = z3.main_ctx()
LABELS = ("sensitivity", "source_sensitivity")


def both(*parts):
    """The conjunction. What is known beforehand is a bool, so that formulas stay small."""
    left = [part for part in parts if part is not True]
    return False if any(part is False for part in left) else _of(z3.Z3_mk_and, left) if left else True


def either(*parts):
    left = [part for part in parts if part is not False]
    return True if any(part is True for part in left) else _of(z3.Z3_mk_or, left) if left else False


def no(part):
    return not part if isinstance(part, bool) else z3.BoolRef(z3.Z3_mk_not(CONTEXT.ref(), part.as_ast()), CONTEXT)


def _of(make, parts):
    """As z3.And and z3.Or, which look at the sort of every part: most of the time went there."""
    if len(parts) == 1:
        return parts[0]
    return z3.BoolRef(
        make(CONTEXT.ref(), len(parts), (z3.Ast * len(parts))(*(each.as_ast() for each in parts))), CONTEXT
    )


@functools.cache
def variable(name):
    return z3.Bool(name)


@functools.cache
def is_number(name, number):
    return z3.Int(name) == number


def same(one, other):
    return either(both(one, other), both(no(one), no(other)))


class Thing:
    """The facts of a request or of a conceivable backend, as variables: of words their number, of sets a bit a word.
    Facts that are given are constants."""

    def __init__(self, name, table, codes, **given):
        self.name, self.table, self.codes, self.given = name, table, codes, given
        self.truths = {}

    def known(self, attribute):
        if attribute in self.given:
            return self.given[attribute] is not None
        return variable(f"{self.name}.{attribute}?")

    def has(self, attribute, word):
        if attribute in self.given:
            return word in (self.given[attribute] or ())
        return variable(f"{self.name}.{attribute}:{word}")

    def equals(self, attribute, word):
        if attribute in self.given:
            return self.given[attribute] == word
        return is_number(f"{self.name}.{attribute}", self.codes.setdefault(word, len(self.codes) + 1))

    def sane(self, names):
        """A known word out of a closed list is one of it."""
        for name in names:
            closed = self.table[name].values or WORDS.get(self.table[name].section)
            if closed and self.table[name].kind != "set" and name not in self.given:
                yield either(no(self.known(name)), *(self.equals(name, word) for word in closed))


def truth(atom, request, backend):
    """Whether an atom is true, and whether it is unknown."""
    thing = request if atom.side == "request" else backend
    asked = atom.attribute, atom.test, atom.values, atom.other and backend
    if asked not in thing.truths:
        thing.truths[asked] = _truth(atom, thing, backend)
    return thing.truths[asked]


def _truth(atom, thing, backend):
    name = atom.attribute
    known = thing.known(name)
    if atom.test in ("declared", "undeclared"):
        return (known if atom.test == "declared" else no(known)), False
    if atom.other:
        known = both(known, backend.known(atom.other))
        words = WORDS[REQUEST[name].section]
        inside = either(*(both(thing.equals(name, word), backend.has(atom.other, word)) for word in words))
    elif thing.table[name].kind == "set":
        inside = (both if atom.test == "all" else either)(*(thing.has(name, word) for word in atom.values))
    else:
        inside = either(*(thing.equals(name, word) for word in atom.values))
    return both(known, inside if atom.test in ("in", "any", "all") else no(inside)), no(known)


def all_true(atoms, request, backend):
    return both(*(truth(atom, request, backend)[0] for atom in atoms))


def none_false(atoms, request, backend):
    return both(*(either(*truth(atom, request, backend)) for atom in atoms))


class Solver:
    """A tree, ready to be asked."""

    def __init__(self, tree):
        self.tree, self.bundle = tree, tree.bundle
        self.codes, self.backends = {}, {}
        self.asked = asked_of_requests(tree)
        self.clauses = clauses(tree.bundle)
        self.breakable = {rule.id for rule in tree.bundle.rules if rule.breakable}

    def holds(self, invariant):
        return getattr(self, f"_{invariant.kind}")(invariant)

    def request(self, name="r", **given):
        return Thing(name, REQUEST, self.codes, **given)

    def backend(self, backend):
        if backend.id not in self.backends:
            self.backends[backend.id] = self._backend(backend)
        return self.backends[backend.id]

    def _backend(self, backend):
        facts = {name: backend.fact(name) for name in BACKEND} | {"backend": backend.id, "provider": backend.provider}
        return Thing(backend.id, BACKEND, self.codes, **facts)

    def permitted(self, request, backend, lifted):
        """`lifted` is the condition under which a rule is lifted, by id."""
        return both(
            either(*(all_true((*clause.when, *clause.to), request, backend) for clause in self.clauses.permits)),
            *(
                no(both(none_false((*clause.when, *clause.to), request, backend), no(lifted.get(clause.rule, False))))
                for clause in self.clauses.forbids
            ),
        )

    def possible(self, request):
        asked = self.asked
        yield from request.sane(asked)
        yield from (request.known(name) for name in ("redaction", "budget", "attempt", "last_error") if name in asked)
        if "project" in asked:
            yield from self._declared(request)
        if "source_sensitivity" in asked:
            as_it_came = both(
                *(same(request.known(LABELS[0]), request.known(LABELS[1])), *self._equal(request, *LABELS))
            )
            yield either(no(request.equals("redaction", "none")), as_it_came)
        if {"key", "key.bucket"} <= asked:
            yield same(request.known("key"), request.known("key.bucket"))
            for key in ("a", "b"):
                yield either(no(request.equals("key", key)), request.equals("key.bucket", bucket_of(key)))
        if "attempt" in asked:
            first = request.equals("attempt", "1")
            yield same(first, request.equals("last_error", "none"))
            for name in asked & {"visited_regions", "visited_operators"}:
                nothing = [no(request.has(name, word)) for word in WORDS[REQUEST[name].section]]
                yield either(no(first), both(request.known(name), *nothing))

    def _equal(self, request, one, other):
        for level in LEVELS:
            yield either(no(request.known(one)), same(request.equals(one, level), request.equals(other, level)))

    def _declared(self, request):
        declared, known = [], request.known("project.jurisdiction")
        for name, project in PROJECTS.items():
            declared.append(here := both(request.known("project"), request.equals("project", name)))
            whose = project.get("jurisdiction")
            says = both(known, request.equals("project.jurisdiction", whose)) if whose else no(known)
            yield either(no(here), says)
            for level in LEVELS[: LEVELS.index(project["floor"])] if "floor" in project else ():
                yield no(both(here, request.known("sensitivity"), request.equals("sensitivity", level)))
        yield either(*declared, no(known))

    def _never_so(self, *conditions):
        solver = z3.Solver()
        solver.add(both(*conditions))
        return solver.check() == z3.unsat

    def _backends(self, invariant):
        """Everyone, each with what is certain of them. Whom rules cannot tell apart is asked once."""
        if invariant.any_backend:
            anyone = Thing("backend", BACKEND, self.codes)
            return [(anyone, both(*anyone.sane(BACKEND), anyone.known("backend"), anyone.known("provider")))]
        return [(self.backend(backend), True) for backend in self.bundle.backends]

    def _lifts(self, invariant):
        return dict.fromkeys(self.breakable, True) if invariant.absolute else {}

    def _never(self, invariant):
        request = self.request()
        atoms, lifts = (*invariant.request, *invariant.backend), self._lifts(invariant)
        reached = [
            both(sane, none_false(atoms, request, backend), self.permitted(request, backend, lifts))
            for backend, sane in self._backends(invariant)
        ]
        return self._never_so(*self.possible(request), either(*reached))

    def _always_some(self, invariant):
        request = self.request()
        wanted = [b for b in self.bundle.backends if every(of_backend(atom, b) for atom in invariant.backend) is True]
        return self._never_so(
            *self.possible(request),
            all_true(invariant.request, request, None),
            *(no(self.permitted(request, self.backend(backend), {})) for backend in wanted),
        )

    def _monotone(self, invariant):
        if "sensitivity" not in self.asked:
            return True
        free = {rule: z3.Bool(f"lifted:{rule}") for rule in self.breakable} if invariant.absolute else {}
        low, high = self.request("low"), self.request("high")
        equal = [self._alike(low, high, name) for name in self.asked if name not in LABELS]
        source = "source_sensitivity" in self.asked
        rises = [
            both(
                self._rises(low, high, LABELS[0], pair),
                either(self._alike(low, high, LABELS[1]), self._rises(low, high, LABELS[1], pair)) if source else True,
            )
            for pair in itertools.pairwise(LEVELS)
        ]
        added = [
            both(sane, self.permitted(high, backend, free), no(self.permitted(low, backend, free)))
            for backend, sane in self._backends(invariant)
        ]
        return self._never_so(*self.possible(low), *self.possible(high), *equal, either(*rises), either(*added))

    def _alike(self, one, other, name):
        known = same(one.known(name), other.known(name))
        if REQUEST[name].kind == "set":
            return both(
                known, *(same(one.has(name, word), other.has(name, word)) for word in WORDS[REQUEST[name].section])
            )
        return both(known, z3.Int(f"{one.name}.{name}") == z3.Int(f"{other.name}.{name}"))

    def _rises(self, low, high, name, pair):
        return both(low.known(name), high.known(name), low.equals(name, pair[0]), high.equals(name, pair[1]))

    def _chain(self, invariant):
        """Goes along every chain as long as some request may."""
        first = self.request(attempt="1", last_error="none", visited_regions=frozenset(), visited_operators=frozenset())
        solver = z3.Solver()
        solver.add(both(*self.possible(first)))
        return not self._goes_wrong(solver, (), invariant)

    def _goes_wrong(self, solver, path, invariant):
        for backend in self.bundle.backends if len(path) < 4 else ():
            if backend in path:
                continue
            solver.push()
            solver.add(self._called(backend, path, invariant))
            if solver.check() == z3.sat and (
                self._bad((*path, backend), invariant) or self._goes_wrong(solver, (*path, backend), invariant)
            ):
                return True
            solver.pop()
        return False

    def _called(self, backend, before, invariant):
        places = {"visited_regions": visited(before, "region"), "visited_operators": visited(before, "operator_origin")}
        return either(
            *(
                self.permitted(
                    self.request(attempt=str(len(before) + 1), last_error=error, **places),
                    self.backend(backend),
                    self._lifts(invariant),
                )
                for error in (errors_of(self.tree) if before else ["none"])
            )
        )

    def _bad(self, path, invariant):
        if invariant.most_operators:
            return len({each.operator for each in path}) > invariant.most_operators
        return any(
            every(of_backend(atom, one) for atom in invariant.left) is not False
            and every(of_backend(atom, other) for atom in invariant.enter) is not False
            for one, other in itertools.combinations(path, 2)
        )
