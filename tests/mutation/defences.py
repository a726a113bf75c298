"""Every defence as a row: where it stands, what stands there without it, and which tests then fail.

`make mutation` takes them away one by one. A new defence is a new row.
"""

from typing import NamedTuple


class Defence(NamedTuple):
    """One defence. `source` is a piece of `file` (below `gateway/`) that occurs there once, `without` what takes its
    place, `tests` are files below `tests/`, or tests of them (`a/test_b.py::test_c`)."""

    name: str
    file: str
    source: str
    without: str
    tests: tuple[str, ...]


DEFENCES = (
    # money
    Defence("what ends is settled, however it ends", "relay.py", "                if not done or done[-1].hop != hop.permit.hop:\n", "                if False:\n", ("test_relay.py::test_a_client_that_leaves_cancels_the_upstream_and_is_booked",)),
    Defence("what a limit has no room for is not sent", "relay.py", "        if isinstance(outcome, Exceeded):\n", "        if isinstance(outcome, Exceeded) and not outcome:\n", ("test_relay_policy.py::test_what_a_limit_has_no_room_for_is_not_sent_and_is_402_with_the_figures",)),
    Defence("a call is in the journal before it is sent", "relay.py", "                self._intend(call, decision, asked, purpose, project, decided)\n", "", ("threats/test_noted.py::test_every_call_is_noted_before_it_is_sent",)),
    Defence("what cannot be noted is not sent", "relay.py", "            self._give_back(hop, 0, 0)\n            raise Refused(\n", "            self._give_back(hop, 0, 0)\n            return\n            raise Refused(\n", ("threats/test_noted.py::test_what_cannot_be_noted_is_not_sent",)),
    Defence("after an fsync that failed nothing is let through", "adapters/journal.py", "                    self._distrust(error)\n", "", ("adapters/test_journal.py::test_after_an_fsync_that_failed_nothing_is_let_through_until_a_new_segment_is_on_disk",)),
    # policy
    Defence("only what both policies permit gets a permit", "core/permit.py", "        if verdict is None or not verdict.permitted:\n", "        if False:\n", ("core/test_permit.py",)),
    Defence("a permit covers what was asked for", "core/permit.py", "        if verdict.do is not candidate.do and not covers(", "        if False and not covers(", ("core/test_permit.py",)),
    Defence("a permit is for one call", "core/permit.py", "        if self._spent:\n", "        if False:\n", ("core/test_permit.py", "threats/test_tenants.py::test_a_permit_is_for_one_call")),
    Defence("a connection carries content only for a permit", "adapters/upstreams.py", "        backend = permit.spend()\n", "        backend = permit.backend\n", ("adapters/test_upstreams.py::test_a_permit_is_good_for_one_call",)),
    Defence("the policy is asked again before each hop", "relay.py", "                if failures or queued or latest is not policy or isinstance(chat, Outline):  # it took its time\n", "                if False:\n", ("test_relay_policy.py::test_a_newer_policy_that_denies_counts_at_the_next_hop", "test_relay_policy.py::test_an_exception_that_runs_out_under_way_lets_nobody_through")),
    Defence("the newest policy is asked, too", "relay.py", "        if newest is not policy:\n", "        if False:\n", ("test_relay_policy.py::test_a_newer_policy_that_denies_counts_at_the_next_hop",)),
    Defence("each policy is asked about what is sent", "asked.py", "        if not verdict.permitted or taken_out(verdict.do) == tags:\n", "        if True:\n", ("test_asked.py",)),
    Defence("what the policy denies is out of the plan", "routing/plan.py", "    if not verdict.permitted:\n        reason", "    if False:\n        reason", ("routing/test_plan.py",)),
    Defence("what runs is cut once the policy revokes it", "running.py", "                if verdict.revokes or not (hop.permit.sent or hop.may_go(verdict)):\n", "                if not (hop.permit.sent or hop.may_go(verdict)):\n", ("test_relay_policy.py::test_a_stream_is_cut_with_an_error_and_without_done",)),
    # labels and what is found
    Defence("a label is a join", "core/labels.py", "    return max(levels, key=RANK.__getitem__)\n", "    return levels[-1]\n", ("core/test_labels.py", "sensitivity/test_classify.py")),
    Defence("a level that nobody can read is the highest", "core/labels.py", "    return word if word in RANK else LEVELS[-1]\n", "    return word if word in RANK else LEVELS[0]\n", ("core/test_labels.py",)),
    Defence("a hint that is too long is unreadable", "http/calls.py", 'value.decode("latin-1") if len(value) <= _MAX_HINT else "too long"', 'value.decode("latin-1")[:_MAX_HINT]', ("threats/test_labels.py",)),
    Defence("a hint that comes twice counts twice", "http/calls.py", 'hints[hint] + b"," + value if hint in hints and hint in _LISTS else value', "value", ("threats/test_labels.py",)),
    Defence("a body that can be read in two ways is refused", "adapters/desk.py", "    if repeats(body, walked.members):\n", "    if False:\n", ("test_relay_sensitivity.py::test_a_body_that_could_be_read_in_two_ways_is_refused",)),
    Defence("nothing is scanned by other terms than asked", "adapters/desk.py", "        if look is None or look.terms.digest != question.digest:\n", "        if look is None:\n", ("adapters/test_desk.py::test_nothing_is_scanned_by_terms_that_a_question_does_not_go_by",)),
    Defence("what was redacted is scanned again", "asked.py", "        if redacted is None or not redacted.found.tags.isdisjoint(tags):\n", "        if redacted is None:\n", ("test_asked.py",)),
    Defence("an answer is held back until it is known to be clear", "sensitivity/answer.py", "                if not self._is_quiet(text) and self._held_bytes <= _MOST_HELD_BYTES:\n", "                if False:\n", ("sensitivity/test_answer.py::test_a_secret_that_comes_with_the_end_of_its_choice_never_shows", "sensitivity/test_answer.py::test_two_choices_interleaved")),
    Defence("a conversation is its team's own", "adapters/conversations.py", "        prefix = team.encode()\n", '        prefix = b""\n', ("adapters/test_conversations.py", "threats/test_tenants.py::test_what_is_remembered_of_a_conversation_is_by_team")),
    # what a request may say
    Defence("a body cannot redirect the call", "core/chat.py", "    if not _REDIRECTING.isdisjoint(fields):\n", "    if False:\n", ("core/test_chat.py::test_a_body_cannot_redirect_the_call",)),
    Defence("a name in another case is refused", "core/chat.py", "            _refuse_lookalike(name, fields)\n", "            pass\n", ("core/test_chat.py::test_a_name_that_some_servers_would_take_for_another_is_refused",)),
    Defence("a server of ours fetches no address of a caller's", "asked.py", "    return msgspec.structs.replace(demand, needs=demand.needs | {URLS})\n", "    return demand\n", ("threats/test_addresses.py::test_nothing_inside_fetches_what_a_request_names",)),
    Defence("who runs a backend says whether it may fetch", "core/catalog.py", "(frozenset() if deployment in (None, OURS) else {URLS})", "{URLS}", ("core/test_catalog.py::test_what_is_ours_fetches_nothing_unless_its_row_says_so",)),
    Defence("a body has a limit", "http/calls.py", "    if whole.tell() > limit:\n        raise", "    if False:\n        raise", ("http/test_calls.py::test_a_chunked_body_is_counted_as_it_comes",)),
    # policy files
    Defence("a key is written once", "policy/document.py", "            if name in seen:\n", "            if False:\n", ("policy/test_document.py",)),
    Defence("no anchors, no tags", "policy/document.py", "            for code, message in _refusals(event, depth, values):\n", "            for code, message in ():\n", ("policy/test_document.py",)),
    Defence("links are not followed", "adapters/policy_files.py", "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK", "os.O_RDONLY | os.O_NONBLOCK", ("policy/test_bad_files.py::test_links_pipes_and_folders_are_not_read_as_files",)),
    Defence("a signature is checked", "adapters/signing.py", "    except InvalidSignature:\n        return False\n", "    except InvalidSignature:\n        return True\n", ("adapters/test_signing.py", "adapters/test_policy_files.py::test_another_key_signed_it")),
    # upstreams
    Defence("the upstream of a client that left is hung up on", "relay.py", "                hop.close()\n                if not done", "                if not done", ("test_relay.py::test_a_client_that_leaves_cancels_the_upstream_and_is_booked",)),
    Defence("a first byte has a deadline, and so has silence", "adapters/upstreams.py", "        deadline.at = self._first if first else min(self._deadlines.now + self._idle, self._until)\n", "        deadline.at = NEVER\n", ("adapters/test_upstreams.py::test_what_goes_wrong_is_said",)),
    Defence("an upstream that repeats our key is not repeated", "adapters/upstreams.py", "        self._shown = target.secret.out_of if target.secret is not None else _as_it_is\n", "        self._shown = _as_it_is\n", ("adapters/test_upstreams.py::test_an_upstream_that_repeats_our_key_is_not_repeated",)),
    Defence("an error of an upstream shows no key", "providers/failures.py", '        "message": scrub(message),\n', '        "message": message,\n', ("providers/test_failures.py::test_a_message_shows_no_key_and_no_account",)),
    Defence("an answer of another model is counted", "core/reported.py", "    return not (_extends(one, other) or _extends(other, one))\n", "    return False\n", ("core/test_reported.py", "threats/test_names.py::test_answers_of_another_model_are_counted")),
    # what is written
    Defence("a log line steers nothing", "adapters/logs.py", "escaped(lines)", "lines", ("adapters/test_logs.py",)),
    Defence("a table steers no terminal", "cli/common.py", "    head, *rows = [[plain(cell) for cell in row] for row in [head, *rows]]\n", "", ("threats/test_injection.py",)),
    Defence("a spreadsheet runs no formula", "cli/common.py", "    return plain(f\"'{value}\" if runs else value)\n", "    return plain(value)\n", ("cli/spend/test_show.py::test_csv_runs_no_formula",)),
    Defence("a header ends where it ends", "http/reply.py", "    if _UNSAFE.search(", "    if False and _UNSAFE.search(", ("http/test_reply.py::test_no_text_of_others_ends_a_header",)),
    Defence("series are capped", "adapters/metrics.py", "        if len(self._callers) < MAX_CALLERS:\n", "        if True:\n", ("threats/test_series.py", "adapters/test_metrics.py::test_series_are_capped")),
    Defence("memory is not dumped", "adapters/dumps.py", "        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n", "        pass\n", ("adapters/test_dumps.py", "threats/test_memory.py")),
    # who asks
    Defence("a bad key is refused in the same words", "http/callers.py", '        "missing or invalid API key;', '        f"invalid API key {headers.get(KEY_HEADERS[0])!r};', ("http/test_callers.py::test_every_bad_key_gets_the_same_401",)),
    Defence("metrics want the scrape token", "http/callers.py", "            elif given is not None and hmac.compare_digest(given, self._token):\n", "            elif given is not None:\n", ("http/test_ops.py::test_metrics_want_the_scrape_token_when_one_is_set",)),
    Defence("a scrape token cannot be guessed", "settings.py", "        if len(text) < LEAST_TOKEN or not", "        if not", ("test_settings.py::test_a_scrape_token_that_can_be_guessed_or_not_be_sent_is_refused",)),
    Defence("others reach the admin listener only where something guards it", "settings.py", "        if self.admin_is_loopback or admin_key or self.scrape_token is not None:\n", "        if True:\n", ("threats/test_admin.py",)),
    Defence("keys that are too old are not taken", "adapters/agreed.py", "        if not self._in_force or self._too_old:\n", "        if not self._in_force:\n", ("adapters/test_agreed.py::test_keys_that_were_not_read_for_long_are_taken_no_more_and_none_is_called_bad",)),
    Defence("a replica that cannot read keys is not ready", "adapters/agreed.py", "        return None if self._in_force and not self._too_old else", "        return None if self._in_force else", ("adapters/test_agreed.py::test_keys_that_were_not_read_for_long_are_taken_no_more_and_none_is_called_bad",)),
    Defence("a key is for what it was made for", "http/callers.py", "            if scope not in caller.scopes:\n", "            if False:\n", ("threats/test_admin.py",)),
    Defence("admin keys guard the admin listener", "http/callers.py", "        elif self._loopback and not self._has_keys():\n", "        elif self._loopback:\n", ("threats/test_admin.py",)),
    Defence("the policy is asked last thing", "relay.py", "                if self._policies.current is not latest:  # while room was asked for\n", "                if False:\n", ("test_relay_lanes.py::test_a_newer_policy_is_asked_also_when_it_comes_while_room_is_asked_for",)),
    Defence("a backend that is gone is found out", "adapters/upstreams.py", "    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)\n", "", ("adapters/test_upstreams.py::test_a_backend_that_is_gone_without_a_word_is_found_out",)),
    Defence("a client that is gone is found out", "http/server.py", "    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # what is accepted has it, too\n", "", ("http/test_server.py::test_a_peer_that_is_gone_without_a_word_is_found_out",)),
    Defence("a key in pieces is not repeated", "adapters/upstreams.py", "        held = 0 if self._content.at_eof() else self._secret.begun_in(whole)\n", "        held = 0\n", ("adapters/test_upstreams.py::test_a_key_that_comes_in_pieces_is_not_repeated_and_nothing_else_is_lost",)),
    # backends that fail or are full
    Defence("a request that all fail on takes none out", "core/lane.py", "            if failed.kind is FailureKind.SERVER_ERROR and closed:\n", "            if False:\n", ("test_relay_lanes.py::test_a_request_that_every_server_fails_on_takes_none_of_them_out",)),
    Defence("a backend that fails is left alone", "core/breaker.py", "        if self._failed.bit_count() >= FAILURES:\n", "        if False:\n", ("core/test_breaker.py", "test_relay_lanes.py::test_a_backend_that_is_down_is_not_asked_any_more_and_its_requests_go_elsewhere")),
    Defence("a probe goes alone", "core/breaker.py", "            self._until = moment + LONGEST_SECONDS\n", "            pass\n", ("core/test_breaker.py::test_while_it_is_open_nobody_calls_then_one_does", "test_relay_lanes.py::test_after_a_while_one_call_finds_out_whether_it_is_back")),
    Defence("old calls say nothing of the time after", "core/breaker.py", "        if era != self.era:\n            return\n        if self._open_for:\n            self._change(min(", "        if self._open_for:\n            self._change(min(", ("core/test_breaker.py::test_what_was_sent_before_it_opened_says_nothing_of_the_time_after",)),
    Defence("further calls have a budget", "core/retries.py", "        if self._left < 1:\n", "        if False:\n", ("core/test_retries.py", "test_relay_lanes.py::test_a_request_that_others_fail_too_is_not_sent_to_everybody_for_ever")),
    Defence("one that said no is asked last", "routing/plan.py", "        if rank is not None:\n", "        if False:\n", ("test_relay_lanes.py::test_one_that_has_just_said_no_is_asked_last",)),
    Defence("room is bounded", "core/lane.py", "self.running >= self.concurrency.most)\n", "self.running < 0)\n", ("test_relay_lanes.py::test_room_is_what_the_catalog_says_and_comes_back_with_the_end",)),
    Defence("a queue is bounded", "core/lane.py", "        if self.concurrency is not None and len(self.waiting) >= max(", "        if False and len(self.waiting) >= max(", ("test_relay_lanes.py::test_when_the_queue_is_full_the_client_is_told_at_once",)),
    Defence("a crowd that is late is made smaller", "core/concurrency.py", "        if self._late * 2 > self._answered:\n", "        if False:\n", ("core/test_concurrency.py",)),
    Defence("room comes back", "relay.py", "            if passage is not None:\n                passage.end(None, now)\n", "", ("test_relay_lanes.py::test_room_comes_back_when_nothing_was_sent",)),
    Defence("what was not sent yet is not sent once it is denied", "running.py", " or not (hop.permit.sent or hop.may_go(verdict)):", ":", ("test_running.py::test_a_call_that_was_not_sent_yet_is_not_sent_any_more",)),
    # our own server
    Defence("a first line is read strictly", "http/connection.py", "        check_start(method, self.url, version)\n", "", ("threats/test_framing.py::test_what_can_be_read_in_two_ways_is_read_in_none",)),
    Defence("a transfer coding is read strictly", "http/connection.py", "            framing.check_coding(value, self.parser.get_http_version())\n", "            pass\n", ("threats/test_framing.py::test_what_can_be_read_in_two_ways_is_read_in_none",)),
    Defence("a host is there once, and is one", "http/connection.py", "            if self._has_host:\n", "            if False:\n", ("threats/test_framing.py::test_what_can_be_read_in_two_ways_is_read_in_none",)),
    Defence("the admin listener knows its names", "http/connection.py", "                if self._intake.loopback_only and not framing.is_loopback(value):\n", "                if False:\n", ("threats/test_framing.py::test_the_admin_listener_is_for_names_of_its_own_machine",)),
    Defence("a head is bounded", "http/connection.py", "        if len(headers) > framing.MOST_HEADERS or (self._long and self._too_long()):\n", "        if False:\n", ("threats/test_framing.py::test_headers_are_bounded",)),
    Defence("a trailer is no header", "http/connection.py", "        if self._part:\n            return\n        name = name.lower()\n", "        name = name.lower()\n", ("http/test_connection.py::test_a_trailer_is_no_header",)),
    Defence("calls under way are bounded", "http/intake.py", "        if under_way - self._answered >= self.requests:\n", "        if False:\n", ("faults/test_overload.py::test_calls_beyond_the_limit_are_told_before_their_body_is_read",)),
    Defence("one team leaves room for others", "http/seats.py", "        if own and own >= _SHARE * (self._most - self.taken) and self._teams() > 1:\n", "        if False:\n", ("http/test_seats.py",)),
    Defence("a crowd is shed before others", "http/seats.py", "        return any(own * 2 > self.taken", "        return False and any(own * 2 > self.taken", ("http/test_seats.py",)),
    Defence("what a team has is given back", "http/calls.py", "                self._seats.give_back(caller.team)\n", "                pass\n", ("http/test_seats.py::test_while_one_team_asks_for_all_there_is_others_are_served",)),
    Defence("large bodies are taken by teams in turn", "adapters/rota.py", "            team, queue = self._waiting.popitem(last=False)\n", "            team, queue = self._waiting.popitem()\n", ("adapters/test_rota.py", "adapters/test_worker.py::test_a_team_with_one_question_does_not_wait_for_all_of_another")),
    Defence("a loop that is late turns away", "http/intake.py", '        return "delay" if self.late.shedding and not self.spares(headers) else None\n', "        return None\n", ("http/test_intake.py",)),
    Defence("a coded body is refused", "http/calls.py", "            _check_coding(headers)\n", "", ("threats/test_bodies.py::test_a_body_that_means_harm_is_refused_with_a_word",)),
    Defence("what is sent again is known", "http/repeats.py", "        if (first := known.get(name)) is not None:\n", "        if False:\n", ("threats/test_repeats.py::test_what_is_sent_again_is_served_once_and_never_across_keys",)),
    Defence("what is sent again to another replica is known", "adapters/repeats_valkey.py", "    if who and (held == 0 or held > now) then return", "    if who == 1 then return", ("http/test_repeats.py::test_what_comes_again_is_known_wherever_it_comes",)),
    Defence("where nobody can say whether it was served it is not", "adapters/repeats_valkey.py", "            self._went(str(error))\n            raise _unknown() from None\n", "            return None\n", ("adapters/test_repeats_valkey.py::test_while_the_server_hangs_nobody_is_served_and_nothing_stays_taken",)),
    Defence("a request under way is held on", "adapters/repeats_valkey.py", '                    await self._tell_all([(each, "hold") for each in self._held])\n', "", ("adapters/test_repeats_valkey.py::test_a_name_is_held_while_its_process_lives_and_not_for_long_after_that",)),
    Defence("a repeated request is of its caller alone", "http/repeats.py", "        known = self._known.setdefault(caller, {})\n", '        known = self._known.setdefault("", {})\n', ("http/test_repeats.py",)),
    Defence("who answers as another model is suspended", "orders.py", "        self._distrusted[id] = asyncio.create_task(self._suspend_distrusted(id, reason))\n", "", ("threats/test_names.py::test_where_a_permit_says_so_who_answers_as_another_model_is_suspended",)),
    Defence("a stream is known by its name as soon as it says it", "relay.py", "                    if other := hop.misnamed:  # of a stream, too, as soon as it says so\n", "                    if False:\n", ("threats/test_names.py::test_a_stream_of_another_model_is_cut_as_soon_as_it_names_itself",)),
    # the trail
    Defence("what nobody can take back is noted before it is done", "adapters/audit.py", "            if db is None and undo is None:\n                note(BEGUN)\n", "", ("threats/test_acts.py::test_what_cannot_be_recorded_does_not_take_place",)),
    Defence("a decision is in the journal before its call is sent", "adapters/journal.py", "        self._noted += intent\n", "        self._noted.append(entry)\n", ("threats/test_noted.py::test_the_decision_of_every_call_that_was_sent_survives_a_kill",)),
    Defence("a line that was changed is seen", "core/chain.py", "        if claimed.digest == digest:", "        if claimed.digest:", ("core/test_chain.py",)),
)  # fmt: skip
